"""What a gradebook says about a class, as numbers and groups: who needs a person, and how it went."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from grader.model import CheckResult, Gradebook, QuestionResult, Scorecard, Verdict, Visibility

# The order in which outcomes deserve a person's eye.
URGENCY = (
    Verdict.INTERNAL,
    Verdict.CRASHED,
    Verdict.TIMED_OUT,
    Verdict.OUT_OF_MEMORY,
    Verdict.FORBIDDEN,
    Verdict.RAISED,
    Verdict.MISSING,
    Verdict.FAILED,
    Verdict.UNGRADED,
    Verdict.SKIPPED,
    Verdict.PASSED,
)
STOPPED = (Verdict.CRASHED, Verdict.TIMED_OUT, Verdict.OUT_OF_MEMORY, Verdict.FORBIDDEN)
PLACE = re.compile(r"\w+: ")  # how a line begins that says where an answer was found
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")


@dataclass(frozen=True)
class Place:
    """The title of a question and of those of its checks that ended alike."""

    question: str
    checks: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """A verdict with a message (numbers aside), and whom it met: (student id, the questions with their checks)."""

    verdict: Verdict
    message: str
    students: tuple[tuple[str, tuple[Place, ...]], ...]


@dataclass(frozen=True)
class Waiting:
    """Explanations of one question that a person marks: (student id, text or None), and the rubric to mark them by."""

    question_id: str
    title: str
    max_points: float
    rubric: str
    texts: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class QuestionSummary:
    """One question over the class: the points of those whose scorecard has it, and how often each verdict occurs."""

    id: str
    title: str
    max_points: float
    scores: tuple[float, ...]
    verdicts: tuple[tuple[Verdict, int], ...] = ()

    @property
    def mean(self) -> float:
        """Mean points reached so far."""
        return fmean(self.scores) if self.scores else 0.0


@dataclass(frozen=True)
class Tally:
    """Of the checks that do not wait for a person: how many there are, passed, and are hidden."""

    judged: int
    passed: int
    hidden: int


@dataclass(frozen=True)
class Totals:
    """Grades over the class, as reached so far, lateness taken off."""

    mean: float
    median: float
    low: float
    high: float
    pending_students: int


def worst(checks: Iterable[CheckResult]) -> Verdict | None:
    """The outcome that most deserves an eye; None when nothing was checked."""
    return min((c.verdict for c in checks), key=urgency, default=None)


def urgency(verdict: Verdict | None) -> int:
    """The place of a verdict among those that deserve an eye: 0 is the first."""
    return len(URGENCY) if verdict is None else URGENCY.index(verdict)


def verdict_counts(checks: Iterable[CheckResult]) -> list[tuple[Verdict, int]]:
    """How often each verdict occurs, the most urgent first."""
    return sorted(Counter(c.verdict for c in checks).items(), key=lambda pair: urgency(pair[0]))


def tally(checks: Iterable[CheckResult]) -> Tally:
    """The checks of one submission, counted."""
    judged = [c for c in checks if c.verdict is not Verdict.UNGRADED]
    passed = sum(c.verdict is Verdict.PASSED for c in judged)
    return Tally(len(judged), passed, sum(c.visibility is Visibility.HIDDEN for c in judged))


def public_checks(passed: int, public: int, hidden: int) -> str:
    """How many public checks passed, and that the hidden ones are elsewhere."""
    count = "there is 1" if hidden == 1 else f"there are {hidden or 'none'}"
    return f"{passed} of {public} public checks pass; hidden checks are not part of this kit ({count})"


def totals(scorecards: Sequence[Scorecard]) -> Totals | None:
    """Mean, median and range of the grades; None for an empty class."""
    points = [s.grade for s in scorecards]
    if not points:
        return None
    pending = sum(1 for s in scorecards if s.pending_points)
    return Totals(fmean(points), median(points), min(points), max(points), pending)


def histogram(values: Iterable[float], maximum: float, bins: int = 10) -> list[int]:
    """How many values lie in each of `bins` equal parts of 0..maximum; the maximum itself is in the last."""
    counts = [0] * bins
    for value in values:
        counts[min(int(value / maximum * bins + 1e-9), bins - 1) if maximum else 0] += 1
    return counts


def questions(scorecards: Sequence[Scorecard]) -> list[QuestionSummary]:
    """Every question that any scorecard has, in the order met."""
    found: dict[str, list[QuestionResult]] = {}
    for scorecard in scorecards:
        for question in scorecard.questions:
            found.setdefault(question.id, []).append(question)
    return [
        QuestionSummary(
            id=id,
            title=rows[0].title,
            max_points=max(q.max_points for q in rows),
            scores=tuple(q.points for q in rows),
            verdicts=tuple(verdict_counts(c for q in rows for c in q.standing)),
        )
        for id, rows in found.items()  # noqa: A001  # `id` is the glossary's word
    ]


def cases(scorecards: Sequence[Scorecard], verdicts: Sequence[Verdict]) -> list[Case]:
    """Checks that ended in one of the verdicts, grouped; the most urgent and then the most frequent first."""
    groups: dict[tuple[Verdict, str], dict[str, dict[str, list[str]]]] = {}
    messages: dict[tuple[Verdict, str], str] = {}
    for scorecard in scorecards:
        for question in scorecard.questions:
            for check in question.checks:
                if check.verdict in verdicts:
                    key = (check.verdict, NUMBER.sub("#", check.message))
                    messages.setdefault(key, check.message)
                    places = groups.setdefault(key, {}).setdefault(scorecard.student_id, {})
                    places.setdefault(question.title, []).append(check.title)
    found = [
        Case(key[0], messages[key], tuple((student, _places(found)) for student, found in students.items()))
        for key, students in groups.items()
    ]
    return sorted(found, key=lambda c: (urgency(c.verdict), -len(c.students)))


def _places(found: Mapping[str, Sequence[str]]) -> tuple[Place, ...]:
    return tuple(Place(question, tuple(checks)) for question, checks in found.items())


def waiting(gradebook: Gradebook) -> list[Waiting]:
    """Explanations that nobody has marked yet, by question."""
    groups: dict[str, list[tuple[Scorecard, QuestionResult]]] = {}
    for scorecard in gradebook.scorecards:
        for question in scorecard.questions:
            if question.waits_for_mark:
                groups.setdefault(question.id, []).append((scorecard, question))
    return [
        Waiting(
            question_id=id,
            title=rows[0][1].title,
            max_points=max(c.max_points for c in rows[0][1].checks if c.verdict is Verdict.UNGRADED),
            rubric=gradebook.rubrics.get(id, ""),
            texts=tuple((scorecard.student_id, question.explanation) for scorecard, question in rows),
        )
        for id, rows in groups.items()  # noqa: A001  # `id` is the glossary's word
    ]
