"""How far a grading at a platform is, and what a student reads of it there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from grader.model import CheckResult, QuestionResult, Scorecard, Verdict, Visibility
from grader.text import brief, clip, plain


@dataclass(frozen=True)
class State:
    """How far the grading is. `card` is folded; of `unfinished` questions nothing is known; `why` says so."""

    card: Scorecard
    unfinished: frozenset[str]
    why: str
    seconds: float
    remarks: tuple[str, ...] = ()
    title: str = ""

    def shown(self, *, with_hidden: bool) -> Iterator[tuple[QuestionResult, CheckResult]]:
        """The checks to show, question by question; of an unfinished question there is none."""
        for question in self.card.questions:
            for check in question.checks if question.id not in self.unfinished else ():
                if with_hidden or check.visibility is Visibility.PUBLIC:
                    yield question, check

    @property
    def faults(self) -> list[str]:
        """What the harness said of its own failures, for staff who read the log; nothing of hidden checks."""
        return [c.message for c in self.card.checks if c.verdict is Verdict.INTERNAL]

    @property
    def share(self) -> float:
        """The points of all that there are, from 0 to 1."""
        most = self.card.max_points
        return min(1.0, max(0.0, round(self.card.grade / most, 6))) if most else 0.0

    @property
    def finished(self) -> bool:
        """Whether every question has been judged."""
        return not self.unfinished

    def heading(self, *, with_hidden: bool) -> str:
        """What a student reads first; the points of hidden checks are in it only if they may be seen already."""
        shown = [c for c in self.card.checks if with_hidden or c.visibility is Visibility.PUBLIC]
        points, most = sum(c.points for c in shown), sum(c.max_points for c in shown)
        lines = [f"{points:g} of {most:g} points{'' if with_hidden else ' in what is shown now'}."]
        if self.unfinished:
            lines.append(self.why)
        elif self.card.pending_points:
            lines.append("What is pending is graded later: by a person, or on the course's machine.")
        if self.card.isolation.level:
            lines.append(f"Isolation level {self.card.isolation.level} of 4 ({self.card.isolation.name}).")
        return "\n".join([*lines, *self.remarks])


PENDING = {
    Verdict.UNGRADED: "Graded later: by a person, or on the course's machine.",
    Verdict.INTERNAL: "The harness failed here, at no cost to you; it is graded again.",
}
CHECK_BYTES = 8_000  # of what is said about one check: platforms show all of them below one another


def said(check: CheckResult) -> str:
    """What a student reads of a check: plain text, nothing in it runs or hides."""
    text = PENDING.get(check.verdict) or "\n".join(filter(None, (check.message, check.detail)))
    return clip(plain(text), CHECK_BYTES)


def named(question: QuestionResult, check: CheckResult) -> str:
    """A check's name in one line."""
    return brief(f"{question.title}: {check.title}", 200)
