"""What a student sees where a platform shows HTML: a table that survives its cleaning, or the page as a file."""

from __future__ import annotations

import html
from collections.abc import Iterator

from grader import report
from grader.lms import grades
from grader.lms.state import State
from grader.model import QuestionResult, Scorecard, Verdict, Visibility
from grader.text import plain

PAGE = "report.html"


def page(state: State, *, with_hidden: bool) -> str:
    """The report's page of what may be seen; nothing of hidden checks, not even their points, if they may not be."""
    return report.student_page(_seen(state, with_hidden=with_hidden), state.title)


def overview(state: State, *, with_hidden: bool) -> str:
    """The heading and the points by question, in the few elements of HTML that every cleaning leaves."""
    heading = "<br>".join(html.escape(line) for line in plain(state.heading(with_hidden=with_hidden)).splitlines())
    rows = "".join(_rows(state, _seen(state, with_hidden=with_hidden)))
    return f"<p>{heading}</p><table><tr><th>Question</th><th>Points</th><th>Checks passed</th></tr>{rows}</table>"


def _seen(state: State, *, with_hidden: bool) -> Scorecard:
    """The card with the checks that may be seen; of an unfinished question there is none."""
    questions = tuple(_part(state, q, with_hidden=with_hidden) for q in state.card.questions)
    models = state.card.models if with_hidden else ()  # an accuracy is what hidden checks measure
    return state.card.model_copy(update={"questions": questions, "models": models})


def _part(state: State, question: QuestionResult, *, with_hidden: bool) -> QuestionResult:
    checks = () if question.id in state.unfinished else question.checks
    seen = tuple(
        c.model_copy(update={"message": _whole(c.message), "detail": _whole(c.detail)})
        for c in checks
        if with_hidden or c.visibility is Visibility.PUBLIC
    )
    return question.model_copy(update={"checks": seen})


def _whole(text: str) -> str:
    """The text without half characters, which no file can hold."""
    return plain(text).encode("utf-8", "replace").decode()


def _rows(state: State, card: Scorecard) -> Iterator[str]:
    for question in card.questions:
        points = f"{grades.number(question.points)} of {grades.number(question.max_points)}"
        passed = f"{sum(c.verdict is Verdict.PASSED for c in question.checks)} of {len(question.checks)}"
        cells = [question.title, *(("", "not finished") if question.id in state.unfinished else (points, passed))]
        yield f"<tr>{''.join(f'<td>{html.escape(plain(c))}</td>' for c in cells)}</tr>"
