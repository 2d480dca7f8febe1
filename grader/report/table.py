"""Gradebook -> CSV: everything quoted, nothing that a spreadsheet would run, readable by Excel as UTF-8."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from grader.model import Gradebook, Scorecard, Verdict
from grader.report import summary

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001  # the full-width forms are meant
MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"  # without it Excel takes UTF-8 for the local code page


def written(gradebook: Gradebook) -> str:
    """The class as a table, one row a student; each member of a group has one."""
    ids = [q.id for q in summary.questions(gradebook.scorecards)]
    columns = [
        "student_id",
        "name",
        *ids,
        "points",
        "late_percent",
        "grade",
        "max_points",
        "pending_points",
        "percent",
        *Verdict,
        "notes",
    ]
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(map(_inert, columns))
    for scorecard in gradebook.scorecards:
        writer.writerows(map(_inert, _cells(who, scorecard, ids)) for who in scorecard.people)
    return MARK + text.getvalue()


def _cells(who: str, scorecard: Scorecard, question_ids: list[str]) -> Iterator[str]:
    """One row of the gradebook."""
    points = {q.id: q.points for q in scorecard.questions}
    yield who
    yield scorecard.name
    yield from (f"{points[i]:g}" if i in points else "" for i in question_ids)
    yield from (f"{value:g}" for value in (scorecard.points, scorecard.late_percent, scorecard.grade))
    yield from (f"{value:g}" for value in (scorecard.max_points, scorecard.pending_points))
    yield f"{100 * scorecard.grade / scorecard.max_points:.2f}" if scorecard.max_points else ""
    yield from (str(sum(c.verdict is v for c in scorecard.checks)) for v in Verdict)
    yield "; ".join(scorecard.notes)


def _inert(cell: str) -> str:
    """The cell with an apostrophe before what a spreadsheet would take for a formula."""
    return "'" + cell if cell.startswith(FORMULA) else cell
