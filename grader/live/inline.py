"""What a check shows below a notebook's cell: a result that prints itself, as text or as HTML.

The HTML is a fragment in somebody else's page: no script, no style sheet, no request. Its words have the page's own
colour, light or dark; only a verdict has a ground of its own, dark enough for its white letters on either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from grader.model import CheckResult, QuestionResult, Verdict
from grader.report import failures, phrases, summary
from grader.report.wording import strings
from grader.text import plain

GROUNDS = {Verdict.PASSED: "#1a7f37", Verdict.SKIPPED: "#57606a", Verdict.MISSING: "#8a4600"}
OTHER_GROUND = "#b3261e"
BADGE = (
    "display:inline-block;white-space:nowrap;padding:0 .5em;border-radius:.3em;color:#fff;background:{};"
    "font-size:.85em;font-weight:600"
)
PLAIN = "background:transparent;color:inherit"  # said at every level: some pages give tables colours of their own
CELL = "text-align:left;vertical-align:top;padding:.25em .75em .25em 0;" + PLAIN
SAID = "white-space:pre-wrap;overflow-wrap:anywhere;margin:.15em 0 0;opacity:.85"


@dataclass(frozen=True, repr=False)
class Checked:
    """The public checks of some questions, told in the language `lang`; `hidden` checks of them are elsewhere."""

    questions: tuple[QuestionResult, ...]
    hidden: int
    lang: str = "en"

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(c.verdict is Verdict.PASSED for q in self.questions for c in q.checks)

    @property
    def conclusion(self) -> str:
        """How many checks passed, and what was not checked."""
        checks = [c for q in self.questions for c in q.checks]
        said = summary.public_checks(sum(c.verdict is Verdict.PASSED for c in checks), len(checks), self.hidden) + "."
        return phrases.translate(said, self.lang)

    @property
    def no_grade(self) -> str:
        """That the file may hold something else."""
        return strings(self.lang)("terminal.live")

    def __repr__(self) -> str:
        lines = []
        for question in self.questions:
            lines.append(self._heading(question))
            for check, said in failures.said_once(question):
                lines.append(f"  {word(check.verdict, self.lang):<13} {plain(check.title)}")
                lines += [f"  {'':13} {line}" for line in plain(said).splitlines()]
        return "\n".join([*lines, self.conclusion, self.no_grade])

    def _repr_html_(self) -> str:
        rows = "".join(row for q in self.questions for row in self._rows(q))
        table = f'<table style="border-collapse:collapse;margin:.25em 0;{PLAIN}">{rows}</table>'
        said = f'<p style="margin:.25em 0"><strong>{escape(self.conclusion)}</strong> {escape(self.no_grade)}</p>'
        return f'<div lang="{self.lang}" style="max-width:60em;color:inherit">{table}{said}</div>'

    def _heading(self, question: QuestionResult) -> str:
        passed = sum(c.verdict is Verdict.PASSED for c in question.checks)
        count = strings(self.lang)("terminal.passed", passed=passed, count=len(question.checks))
        return f"{plain(question.title)}: {count}"

    def _rows(self, question: QuestionResult) -> Iterator[str]:
        head = f'<th colspan="2" scope="colgroup" style="{CELL}">{escape(self._heading(question))}</th>'
        yield f'<tr style="{PLAIN}">{head}</tr>'
        for check, said in failures.said_once(question):
            yield _row(check, word(check.verdict, self.lang), plain(said))


def word(verdict: Verdict, lang: str) -> str:
    """What a verdict is called: in English as it is written everywhere."""
    return verdict.value if lang == phrases.ENGLISH else strings(lang)(f"verdict.{verdict}")


def _row(check: CheckResult, verdict: str, said: str) -> str:
    badge = BADGE.format(GROUNDS.get(check.verdict, OTHER_GROUND))
    message = f'<div style="{SAID}">{escape(said)}</div>' if said else ""
    return (
        f'<tr style="{PLAIN}"><td style="{CELL}"><span style="{badge}">{escape(verdict)}</span></td>'
        f'<td style="{CELL}">{escape(plain(check.title))}{message}</td></tr>'
    )
