"""What a check shows below a notebook's cell: a result that prints itself, as text or as HTML.

The HTML is a fragment in somebody else's page: no script, no style sheet, no request. Its words have the page's own
colour, light or dark; only a verdict has a ground of its own, dark enough for its white letters on either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from grader.model import CheckResult, QuestionResult, Verdict
from grader.report import summary
from grader.text import plain

NO_GRADE = (
    "This looked at the objects of this notebook as they are now, in the notebook itself. It is no grade: "
    "`grader check` and the grading read your file."
)
GROUNDS = {Verdict.PASSED: "#1a7f37", Verdict.SKIPPED: "#57606a", Verdict.MISSING: "#8a4600"}
OTHER_GROUND = "#b3261e"
BADGE = (
    "display:inline-block;padding:0 .5em;border-radius:.3em;color:#fff;background:{};font-size:.85em;font-weight:600"
)
CELL = "text-align:left;vertical-align:top;padding:.25em .75em .25em 0;background:transparent;color:inherit"
SAID = "white-space:pre-wrap;overflow-wrap:anywhere;margin:.15em 0 0;opacity:.85"


@dataclass(frozen=True, repr=False)
class Checked:
    """The public checks of some questions; `hidden` checks of them are elsewhere."""

    questions: tuple[QuestionResult, ...]
    hidden: int

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(c.verdict is Verdict.PASSED for q in self.questions for c in q.checks)

    @property
    def conclusion(self) -> str:
        """How many checks passed, and what was not checked."""
        checks = [c for q in self.questions for c in q.checks]
        return summary.public_checks(sum(c.verdict is Verdict.PASSED for c in checks), len(checks), self.hidden) + "."

    def __repr__(self) -> str:
        lines = []
        for question in self.questions:
            lines.append(_heading(question))
            for check, said in _said_once(question):
                lines.append(f"  {check.verdict:<13} {plain(check.title)}")
                lines += [f"  {'':13} {line}" for line in said.splitlines()]
        return "\n".join([*lines, self.conclusion, NO_GRADE])

    def _repr_html_(self) -> str:
        rows = "".join(_row(check, said) for q in self.questions for check, said in _headed(q))
        table = f'<table style="border-collapse:collapse;margin:.25em 0;background:transparent">{rows}</table>'
        said = f'<p style="margin:.25em 0"><strong>{escape(self.conclusion)}</strong> {escape(NO_GRADE)}</p>'
        return f'<div style="max-width:60em;color:inherit">{table}{said}</div>'


def _said_once(question: QuestionResult) -> Iterator[tuple[CheckResult, str]]:
    """Each check with its message, unless the one before said the same; why one was skipped stands right above it."""
    last = ""
    for check in question.checks:
        said = check.message if check.message != last and check.verdict is not Verdict.SKIPPED else ""
        last = check.message or last
        yield check, plain(said)


def _heading(question: QuestionResult) -> str:
    passed = sum(c.verdict is Verdict.PASSED for c in question.checks)
    return f"{plain(question.title)}: {passed} of {len(question.checks)}"


def _headed(question: QuestionResult) -> Iterator[tuple[CheckResult | str, str]]:
    yield _heading(question), ""
    yield from _said_once(question)


def _row(check: CheckResult | str, said: str) -> str:
    if isinstance(check, str):
        head = f'<th colspan="2" scope="colgroup" style="{CELL}">{escape(check)}</th>'
        return f'<tr style="background:transparent">{head}</tr>'
    badge = BADGE.format(GROUNDS.get(check.verdict, OTHER_GROUND))
    message = f'<div style="{SAID}">{escape(said)}</div>' if said else ""
    return (
        f'<tr style="background:transparent"><td style="{CELL}"><span style="{badge}">{check.verdict}</span></td>'
        f'<td style="{CELL}">{escape(plain(check.title))}{message}</td></tr>'
    )
