"""How the checks of a question ended, as a student reads it: equal failures together, and each message once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from grader.model import CheckResult, Difference, OwnLine, QuestionResult, Verdict, Window
from grader.window import suspects


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
    def lines(self) -> tuple[OwnLine, ...]:
        """The student's lines that they are about, each once."""
        return tuple(dict.fromkeys(c.line for c in self.checks if c.line))

    @property
    def suspects(self) -> tuple[str, ...]:
        """The settings of a window of which one alone explains the shape that came out, by their fields' names."""
        found = self.difference.found_shape[-2:] if self.difference else ()
        return suspects(self.window, found) if self.window and len(found) == 2 else ()

    @property
    def window(self) -> Window | None:
        """What slides over what."""
        return next((c.window for c in self.checks if c.window and c.window.plane), None)


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


def said_once(question: QuestionResult) -> Iterator[tuple[CheckResult, str]]:
    """Each check with its message, unless the one before said the same; why one was skipped stands right above it."""
    last = ""
    for check in question.checks:
        said = check.message if check.message != last and check.verdict is not Verdict.SKIPPED else ""
        last = check.message or last
        yield check, said
