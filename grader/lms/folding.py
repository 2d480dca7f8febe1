"""A scorecard as a student may see it on a platform: hidden checks are counted, and nothing else of them is told.

Names, titles, messages and inputs of hidden checks are left out, and so is what the code printed, which may repeat
inputs that it was given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from grader.model import CheckResult, QuestionResult, Scorecard, Verdict, Visibility

LOST = "Hidden checks try other inputs than the public ones, or ask for more."


def folded(card: Scorecard) -> Scorecard:
    """The scorecard with one line for the hidden checks of each question; every total is the same."""
    questions = tuple(_question(q) for q in card.questions)
    return card.model_copy(update={"questions": questions, "flags": (), "output": ""})


def _question(question: QuestionResult) -> QuestionResult:
    public = [c for c in question.checks if c.visibility is Visibility.PUBLIC]
    hidden = [c for c in question.checks if c.visibility is Visibility.HIDDEN]
    settled = [c for c in hidden if not c.verdict.pending]
    waiting = [c for c in hidden if c.verdict.pending]
    return question.model_copy(update={"checks": (*public, *_lines(settled, waiting))})


def _lines(settled: Sequence[CheckResult], waiting: Sequence[CheckResult]) -> Iterator[CheckResult]:
    if settled:
        points = round(sum(c.points for c in settled), 4)
        passed = sum(c.verdict is Verdict.PASSED for c in settled)
        good = points > 0 or passed == len(settled)
        yield _line("hidden", f"Hidden checks: {passed} of {len(settled)} passed", settled, good, points)
    if waiting:
        title = f"Hidden checks: {len(waiting)} graded later"
        yield _line("hidden_later", title, waiting, None, 0.0)


def _line(id: str, title: str, checks: Sequence[CheckResult], good: bool | None, points: float) -> CheckResult:  # noqa: A002  # the glossary's word
    return CheckResult(
        id=id,
        title=title,
        visibility=Visibility.HIDDEN,
        verdict=Verdict.UNGRADED if good is None else Verdict.PASSED if good else Verdict.FAILED,
        points=points,
        max_points=round(sum(c.max_points for c in checks), 4),
        message=LOST if good is False else "",
    )
