"""How a check ended -> its result: the verdict is read off the exception that ended it.

An AssertionError is the student's wrong answer, an `Unanswered` says why there is none, a `Refused` is a network whose
graph cannot be run, and anything else is a fault of ours (INTERNAL).
"""

from __future__ import annotations

from dataclasses import dataclass

from grader.assignment import CheckSpec, Question
from grader.compare import Mismatch
from grader.graph.rebuild import Refused
from grader.judge.case import Case
from grader.model import CheckResult, Difference, Verdict, Visibility, Window
from grader.processes.process import Unanswered
from grader.student import Student


@dataclass(frozen=True)
class Outcome:
    """How a check ended. `fraction` is of its points; what follows `seconds` is of the answer that it ran."""

    verdict: Verdict
    message: str = ""
    detail: str = ""
    fraction: float = 1.0
    seconds: float = 0.0
    answer: str = ""
    difference: Difference | None = None
    window: Window | None = None

    def result(self, check: str, title: str, spec: CheckSpec) -> CheckResult:
        """As it is kept."""
        return CheckResult(
            id=check,
            title=title,
            visibility=spec.visibility,
            verdict=self.verdict,
            points=round(spec.points * self.fraction, 2) if self.verdict is Verdict.PASSED else 0.0,
            max_points=spec.points,
            message=self.message,
            detail=self.detail,
            seconds=self.seconds,
            answer=self.answer,
            difference=_shown(self.difference, spec.visibility),
            window=self.window if self.verdict is Verdict.FAILED else None,
        )


def read_off(
    error: BaseException | None, award: tuple[float, str] | None, seconds: float, student: Student, question: Question
) -> Outcome:
    """How a check of a question ended, by the exception that ended it and what it awarded before."""
    verdict, message, detail = _verdict(error)
    fraction = 1.0
    if award is not None and verdict is Verdict.PASSED:
        fraction, message = award
        verdict = Verdict.PASSED if fraction > 0 else Verdict.FAILED
    name, window = _ran(student, question)
    difference = error.difference if isinstance(error, Mismatch) else None
    return Outcome(verdict, message, detail, fraction, seconds, name, difference, window)


def _verdict(error: BaseException | None) -> tuple[Verdict, str, str]:
    """What the exception that ended a check says."""
    if error is None:
        return Verdict.PASSED, "", ""
    if isinstance(error, Unanswered):
        return error.verdict, str(error), error.detail
    if isinstance(error, Refused):  # found only when it ran, or at a batch of another size
        return Verdict.FAILED, f"{str(error)[:1].upper()}{str(error)[1:]}", ""
    if isinstance(error, AssertionError):
        return Verdict.FAILED, str(error) or "The check's condition does not hold.", ""
    return Verdict.INTERNAL, f"The harness failed here, at no cost to you ({type(error).__name__}: {error}).", ""


def _ran(student: Student, question: Question) -> tuple[str, Window | None]:
    """Which answer a check ran, and what slid over what."""
    if student.asked is None:
        return "", None
    name, shape = student.asked
    window = next((a.window for a in question.answers if a.name == name), None)
    if window and len(shape) >= 2:
        window = window.model_copy(update={"plane": shape[-2:]})
    return name, window


def _shown(difference: Difference | None, visibility: Visibility) -> Difference | None:
    """A hidden check's picture has no numbers beside it."""
    if difference and visibility is Visibility.HIDDEN:
        return difference.model_copy(update={"largest": None})
    return difference


def settle(case: Case, question: Question) -> None:
    """What waits for a person, because a network has no graph, waits only if it trains without one."""
    lacking = case.student.without_graph(question)
    why = case.measured.result()[question.id].untrainable() if case.measured and lacking else None
    if lacking is None or why is None:
        return
    message = (
        f"{lacking.name} cannot be written down as a graph, and does not train without one: {lacking.reason} {why}"
    )
    for check in question.checks:
        result = case.results.get((question.id, check))
        if result and result.verdict is Verdict.UNGRADED:
            failed = {"verdict": Verdict.FAILED, "message": message}
            case.results[question.id, check] = result.model_copy(update=failed)


def badness(result: CheckResult) -> tuple[bool, bool, float]:
    """Orders results: of a check with several (it has parameters, or fails while it tidies up) the worst counts."""
    return result.verdict is Verdict.INTERNAL, result.verdict is not Verdict.PASSED, -result.points
