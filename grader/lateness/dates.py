"""Dates that an instructor gives: a due date, a CSV of extensions, a CSV of times; and what is odd about them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from grader.errors import UsageError
from grader.intake import lists
from grader.lateness import DIGITS, Extension, Rules, attempt_key, folded, keys
from grader.model import Submission

ATTEMPT = ("attempt",)
STUDENT, DUE, HOURS = ("student", "studentid", "id", "sid"), ("due",), ("hours", "extrahours")
SUBMITTED = ("submittedat", "submitted", "time")


def remarks(submissions: Sequence[Submission], rules: Rules) -> Iterator[str]:
    """What an instructor should know before the dates are believed."""
    if rules.due is None and rules.policy.due is None and not rules.extensions:
        return
    handed_in = [attempt for s in submissions for attempt in s.attempts]
    if unknown := [s.student_id for s in handed_in if s.files and s.submitted_at is None]:
        flagged = sum(bool(s.late) for s in handed_in if s.submitted_at is None)
        said = f" ({flagged} are late as the platform says, by how much it does not)" if flagged else ""
        yield (
            f"when {len(unknown)} of {len(handed_in)} were handed in is not known{said}: nothing is taken off them. "
            f"Give --times FILE, or --file-times for the files' own times."
        )
    if rules.due is None and rules.policy.due is None and any(e.due is None for e in rules.extensions.values()):
        yield "nothing says when it is due, so hours after that mean nothing: give --due, or dates of their own."
    known = {key for s in submissions for key in keys(s)}
    if strangers := sorted({key.partition("\0")[0] for key in (*rules.extensions, *rules.times)} - known):
        are = "is" if len(strangers) == 1 else "are"
        yield f"nothing was handed in by {', '.join(strangers)}, who {are} listed with an extension or a time."


def parse(text: str, where: str) -> datetime:
    """A date-time with a zone, ISO 8601. Raises `UsageError` that names `where` it stands."""
    example = "write it as 2026-12-01T23:59:00+08:00"
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError as e:
        raise UsageError(f"{where}: {text!r} is not a date and time: {example}.") from e
    if at.tzinfo is None:
        raise UsageError(f"{where}: {text!r} has no time zone, so it is no moment: {example}.")
    return at


def extensions(path: Path) -> dict[str, Extension]:
    """A CSV of students with a `due` date of their own or `hours` after everybody's. Raises `UsageError`."""
    found: dict[str, Extension] = {}
    for line, row in _rows(path, "student, and due or hours"):
        due, hours, where = _value(row, DUE), _value(row, HOURS), f"{path.name}, line {line}"
        if bool(due) == bool(hours):
            raise UsageError(f"{where}: wanted either a date under due or a number under hours.")
        found[_student(row, where, found)] = (
            Extension(parse(due, where)) if due else Extension(hours=_hours(hours, where))
        )
    return found


def times(path: Path) -> dict[str, datetime]:
    """A CSV of students and when they handed in, or each `attempt` of theirs. Raises `UsageError`."""
    found: dict[str, datetime] = {}
    for line, row in _rows(path, "student and submitted_at"):
        where, attempt = f"{path.name}, line {line}", _value(row, ATTEMPT)
        if attempt and not set(attempt) & set(DIGITS):
            raise UsageError(f"{where}: {attempt!r} is no attempt: write its number.")
        found[_student(row, where, found, attempt)] = parse(_value(row, SUBMITTED), where)
    return found


def _hours(text: str, where: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = math.nan
    if not 0 <= hours <= 24 * 366:
        raise UsageError(f"{where}: {text!r} is no number of hours from 0 to a year.")
    return hours


def _student(row: Mapping[str, str], where: str, known: Mapping[str, object], attempt: str = "") -> str:
    student = folded(_value(row, STUDENT))
    student = attempt_key(student, attempt) if student and attempt else student
    if not student or student in known:
        raise UsageError(f"{where}: {'this student is listed twice' if student else 'there is no student'}.")
    return student


def _rows(path: Path, wanted: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The lines of a CSV by their headings' letters; a line without a value is none. Raises `UsageError`."""
    text = lists.text(path, f"the columns {wanted}")
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    headings = ["".join(c for c in h.casefold() if c.isalnum()) for h in next(reader, [])]
    if not set(headings) & set(STUDENT) or not set(headings) & {*DUE, *HOURS, *SUBMITTED}:
        raise UsageError(f"{path} begins with {first.strip()[:80]!r}: wanted the columns {wanted}.")
    for cells in reader:
        if any(c.strip() for c in cells):
            yield reader.line_num, {h: c.strip() for h, c in zip(headings, cells, strict=False)}


def _value(row: Mapping[str, str], headings: tuple[str, ...]) -> str:
    return next((row[h] for h in headings if row.get(h)), "")
