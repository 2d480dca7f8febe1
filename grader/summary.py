"""What a gradebook says about a class, as numbers and groups: who needs a person, how it went, which checks fail."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import StatisticsError, correlation, fmean, median

from grader.charts import Dot
from grader.model import (
    EXPLANATION,
    Baseline,
    CheckResult,
    Difference,
    Gradebook,
    ModelResult,
    QuestionResult,
    Scorecard,
    SeedNoise,
    Verdict,
    Visibility,
    Window,
)

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
DISCRIMINATION_MINIMUM = 10  # students below which a correlation says nothing


@dataclass(frozen=True)
class Case:
    """A verdict with a message (numbers aside), and whom it met: (student id, the checks in words)."""

    verdict: Verdict
    message: str
    students: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Failure:
    """Checks of one question that ended alike, so that a student reads it once."""

    verdict: Verdict
    message: str
    detail: str
    checks: tuple[CheckResult, ...]

    @property
    def max_points(self) -> float:
        """Points that these checks are worth."""
        return sum(c.max_points for c in self.checks)

    @property
    def answer(self) -> str:
        """The asked-for name that they ran, if it is one."""
        names = {c.answer for c in self.checks}
        return names.pop() if len(names) == 1 else ""

    @property
    def difference(self) -> Difference | None:
        """Where the answer differs."""
        return next((c.difference for c in self.checks if c.difference), None)

    @property
    def window(self) -> Window | None:
        """What slides over what."""
        return next((c.window for c in self.checks if c.window and c.window.plane), None)


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
    """One question over the class. `scores` are the points of those whose scorecard has it."""

    id: str
    title: str
    max_points: float
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean points reached so far."""
        return fmean(self.scores) if self.scores else 0.0


@dataclass(frozen=True)
class CheckSummary:
    """One check over the class. `answers` are the wrong ones that occur most: what was said of them, and how often.

    `discrimination` is (value, low, high), None where it cannot be told.
    """

    question: str
    title: str
    visibility: Visibility
    passed: int
    judged: int
    verdicts: tuple[tuple[Verdict, int], ...]
    answers: tuple[tuple[str, int], ...]
    discrimination: tuple[float, float, float] | None

    @property
    def failed(self) -> int:
        """Students for whom it was judged and did not pass."""
        return self.judged - self.passed

    @property
    def suspect(self) -> bool:
        """Whether the check itself should be looked at: nobody passes it, or those who pass know less."""
        nobody = self.judged > 1 and not self.passed
        return nobody or (self.discrimination is not None and self.discrimination[0] < 0)


@dataclass(frozen=True)
class Networks:
    """The distinct networks of one question, the class's and the baselines', by parameters and by FLOPs."""

    question: str
    title: str
    students: tuple[Dot, ...]
    baselines: tuple[Dot, ...]
    students_flops: tuple[Dot, ...]
    baselines_flops: tuple[Dot, ...]
    stand_in: bool
    graded: bool
    noise: SeedNoise | None


@dataclass(frozen=True)
class Totals:
    """Points over the class, as reached so far."""

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


def public_checks(passed: int, public: int, hidden: int) -> str:
    """How many public checks passed, and that the hidden ones are elsewhere."""
    count = "there is 1" if hidden == 1 else f"there are {hidden or 'none'}"
    return f"{passed} of {public} public checks pass; hidden checks are not part of this kit ({count})"


def totals(scorecards: Sequence[Scorecard]) -> Totals | None:
    """Mean, median and range of the points; None for an empty class."""
    points = [s.points for s in scorecards]
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
        QuestionSummary(id, rows[0].title, max(q.max_points for q in rows), tuple(q.points for q in rows))
        for id, rows in found.items()  # noqa: A001  # `id` is the glossary's word
    ]


def failures(question: QuestionResult) -> list[Failure]:
    """What a student can do something about: checks that ran and did not pass, equal outcomes together."""
    groups: dict[tuple[Verdict, str, str], list[CheckResult]] = {}
    for check in question.checks:
        if check.verdict not in (Verdict.PASSED, Verdict.UNGRADED, Verdict.SKIPPED):
            groups.setdefault((check.verdict, check.message, check.detail), []).append(check)
    return [Failure(*key, tuple(rows)) for key, rows in groups.items()]


def untried(question: QuestionResult) -> list[CheckResult]:
    """Checks that were not run because another did not pass."""
    return [check for check in question.checks if check.verdict is Verdict.SKIPPED]


def cases(scorecards: Sequence[Scorecard], verdicts: Sequence[Verdict]) -> list[Case]:
    """Checks that ended in one of the verdicts, grouped; the most urgent and then the most frequent first."""
    groups: dict[tuple[Verdict, str], dict[str, list[str]]] = {}
    messages: dict[tuple[Verdict, str], str] = {}
    for scorecard in scorecards:
        for question in scorecard.questions:
            for check in question.checks:
                if check.verdict in verdicts:
                    key = (check.verdict, NUMBER.sub("#", check.message))
                    messages.setdefault(key, check.message)
                    places = groups.setdefault(key, {}).setdefault(scorecard.student_id, [])
                    places.append(f"{question.title}: {check.title}")
    found = [
        Case(key[0], messages[key], tuple((student, tuple(places)) for student, places in students.items()))
        for key, students in groups.items()
    ]
    return sorted(found, key=lambda c: (urgency(c.verdict), -len(c.students)))


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


def checks(scorecards: Sequence[Scorecard]) -> list[CheckSummary]:
    """Every check that was judged for anybody, the one that fails most first."""
    found: dict[tuple[str, str], list[tuple[Scorecard, QuestionResult, CheckResult]]] = {}
    for scorecard in scorecards:
        for question in scorecard.questions:
            for check in question.checks:
                if check.id != EXPLANATION and check.verdict is not Verdict.UNGRADED:
                    found.setdefault((question.id, check.id), []).append((scorecard, question, check))
    return sorted((_check(rows) for rows in found.values()), key=lambda c: (-c.failed, c.passed))


def networks(scorecards: Sequence[Scorecard]) -> list[Networks]:
    """The measured networks, by question."""
    found: dict[str, list[tuple[str, ModelResult]]] = {}
    for scorecard in scorecards:
        for model in scorecard.models:
            if model.mean_accuracy is not None:
                found.setdefault(model.question, []).append((scorecard.student_id, model))
    return [_networks(question, rows) for question, rows in found.items()]


def discrimination(passed: Sequence[bool], rest: Sequence[float]) -> tuple[float, float, float] | None:
    """Point-biserial correlation of passing a check with the points on all the others, with Fisher's 95 % interval."""
    if len(passed) < DISCRIMINATION_MINIMUM:
        return None
    try:
        r = correlation([float(p) for p in passed], rest)
    except StatisticsError:  # everybody passed, nobody did, or all have the same points
        return None
    z, half = math.atanh(max(-0.999999, min(0.999999, r))), 1.959964 / math.sqrt(len(passed) - 3)
    return r, math.tanh(z - half), math.tanh(z + half)


def _check(rows: Sequence[tuple[Scorecard, QuestionResult, CheckResult]]) -> CheckSummary:
    results = [check for _, _, check in rows]
    judged = [(s, c) for s, _, c in rows if c.verdict not in (Verdict.INTERNAL, Verdict.SKIPPED)]
    passed = [c.verdict is Verdict.PASSED for _, c in judged]
    return CheckSummary(
        question=rows[0][1].title,
        title=results[0].title,
        visibility=results[0].visibility,
        passed=sum(passed),
        judged=len(judged),
        verdicts=tuple(verdict_counts(results)),
        answers=_answers([c for _, c in judged if c.verdict is not Verdict.PASSED]),
        discrimination=discrimination(passed, [s.points - c.points for s, c in judged]),
    )


def _answers(wrong: Sequence[CheckResult], most: int = 3) -> tuple[tuple[str, int], ...]:
    """The usual wrong answers: those of one shape together, else those with one message, numbers aside.

    After the first only those that occur more than once.
    """
    groups: dict[str, list[str]] = {}
    for check in wrong:
        difference = check.difference
        of_shape = difference and difference.found_shape != difference.wanted_shape
        key = f"{difference.found_shape} {difference.wanted_shape}" if difference and of_shape else ""
        groups.setdefault(key or NUMBER.sub("#", check.message), []).append(check.message)
    usual = sorted(groups.values(), key=lambda messages: -len(messages))
    return tuple((said[0], len(said)) for i, said in enumerate(usual[:most]) if i == 0 or len(said) > 1)


def _distinct(rows: Sequence[tuple[str, ModelResult]]) -> list[tuple[str, ModelResult]]:
    """Each network once, with the names of all who handed it in; what has no fingerprint is its owner's alone."""
    groups: dict[str, list[tuple[str, ModelResult]]] = {}
    for student, model in rows:
        groups.setdefault(model.fingerprint or f"of {student}", []).append((student, model))
    return [(", ".join(student for student, _ in found), found[0][1]) for found in groups.values()]


def _networks(question: str, rows: Sequence[tuple[str, ModelResult]]) -> Networks:
    first = rows[0][1]
    distinct = [(s, m, m.mean_accuracy) for s, m in _distinct(rows) if m.mean_accuracy is not None]
    stand_in, graded = any(m.stand_in for _, m in rows), all(m.graded for _, m in rows)
    noise = next((m.noise for _, m in rows if m.noise), None)
    shared = list(_shared_baselines(rows))
    return Networks(
        question,
        first.title,
        students=tuple(Dot(s, m.parameters, accuracy) for s, m, accuracy in distinct),
        baselines=tuple(Dot(b.title, b.parameters, b.mean_accuracy or 0.0) for b in shared),
        students_flops=tuple(Dot(s, m.flops, accuracy) for s, m, accuracy in distinct if m.flops),
        baselines_flops=tuple(Dot(b.title, b.flops, b.mean_accuracy or 0.0) for b in shared if b.flops),
        stand_in=stand_in,
        graded=graded,
        noise=noise,
    )


def _shared_baselines(rows: Sequence[tuple[str, ModelResult]]) -> Iterable[Baseline]:
    """The baselines that are the same for everybody; a student's own network as a baseline is nobody else's."""
    for baseline in rows[0][1].baselines:
        accuracies = {b.mean_accuracy for _, model in rows for b in model.baselines if b.id == baseline.id}
        if len(accuracies) == 1 and baseline.mean_accuracy is not None:
            yield baseline
