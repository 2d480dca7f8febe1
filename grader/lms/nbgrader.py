"""nbgrader: the tree `submitted/{student}/{assignment}/{files}` in, its grades.csv out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from grader.errors import UsageError
from grader.intake import Unreadable
from grader.lms import grades, table
from grader.lms.platform import Choices, Export, Handed, Platform
from grader.lms.sheet import Filled
from grader.model import Gradebook, Scorecard

TIMESTAMP = "timestamp.txt"
HEADINGS = (
    *("assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email"),
    *("raw_score", "late_submission_penalty", "score", "max_score"),
)
MOMENT = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)(\.\d+)?\s*(\S*)")


def recognise(export: Export) -> str:
    """Every file lies in a student's folder and there in an assignment's, and nbgrader's marks are there."""
    if any(len(e.path) < 3 for e in export.entries if e.is_source):
        return ""
    if any(len(e.path) == 3 and e.name == TIMESTAMP for e in export.entries):
        return f"its folders hold {TIMESTAMP}"
    return "it is called submitted" if export.root.lower() == "submitted" else ""


def handed_in(export: Export) -> Iterator[Handed]:
    """Each student's files of the one assignment. Raises `UsageError` when there are several."""
    deep = [e for e in export.entries if len(e.path) > 2]
    if len(names := sorted({e.path[1] for e in deep})) > 1:
        raise UsageError(
            f"{export.path.name} holds several assignments ({', '.join(names)}): give a folder with one of them."
        )
    found: dict[str, Handed] = {}
    for entry in deep:
        handed = found.setdefault(entry.path[0], Handed(entry.path[0], platform_id=entry.path[0]))
        if len(entry.path) == 3 and entry.name == TIMESTAMP:
            try:
                handed.submitted_at = moment(entry.read().decode("utf-8", "replace"))
            except Unreadable:
                continue
        else:
            handed.entries.append(replace(entry, path=entry.path[2:]))
    yield from found.values()


def moment(text: str) -> datetime | None:
    """A time such as "2015-02-02 15:58:23.948203 America/Los_Angeles"; without a zone, UTC, as nbgrader reads it."""
    if (match := MOMENT.fullmatch(text.strip())) is None:
        return None
    zone = match[3]
    try:
        if zone.startswith(("+", "-")):
            return datetime.fromisoformat(match[1] + zone)
        return datetime.fromisoformat(match[1]).replace(tzinfo=UTC if zone in ("", "Z", "UTC") else ZoneInfo(zone))
    except (ValueError, KeyError, OSError):  # a zone that this machine does not know
        return None


def make(book: Gradebook, choices: Choices) -> Filled:
    """nbgrader's grades.csv, with quotes, which nbgrader's own lacks; each member of a group has a row."""
    pending = [c.student_id for c in book.scorecards if not grades.final(c, include_pending=choices.include_pending)]
    rows = [
        _row(book.assignment, who, c, final=c.student_id not in pending) for c in book.scorecards for who in c.people
    ]
    written = tuple(c.student_id for c in book.scorecards if c.student_id not in pending)
    return Filled(table.written(HEADINGS, rows), written, tuple(pending))


def _row(assignment: str, who: str, card: Scorecard, *, final: bool) -> list[str]:
    points, penalty, score = (
        grades.number(p) if final else "" for p in (card.points, card.points - card.grade, card.grade)
    )
    when = card.submitted_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if card.submitted_at else ""
    last, _, first = card.name.partition(", ")
    most = grades.number(card.max_points)
    return [assignment, "", when, who, last, first, "", points, penalty or "0", score, most]


PLATFORM = Platform("nbgrader", "nbgrader, submitted/", recognise, handed_in, make=make)
