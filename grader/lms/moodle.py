"""Moodle: "Download all submissions" in; the grading worksheet, filled, and a zip of feedback files out.

The names are made by mod/assign/classes/downloader.php: `{name}_{participant}_assignsubmission_{plugin}`, then
`/{path}` (folders on) or `_{file}` (folders off). Underscores in names become spaces. The number is the participant's
of this one assignment; of a team it is the group's; a team without one ("Default group") has none.

The worksheet's rules are those of mod/assign/feedback/offline: a row is found by the number at the end of its
identifier, and read only where the grade is neither empty nor above the maximum. Its headings are in the site's
language. The zip's rules are those of mod/assign/feedback/file/importziplib.php.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from grader.errors import UsageError
from grader.intake import Entry
from grader.lms import grades
from grader.lms.platform import Choices, Export, Handed, Platform
from grader.lms.sheet import Filled, Sheet, paragraph
from grader.model import Gradebook, Scorecard

NAME = re.compile(r"(?P<name>[^_]*)(_(?P<id>[0-9]+))?_assignsubmission_(?P<plugin>[a-z]+)(_(?P<file>.*))?", re.DOTALL)

IDENTIFIER = re.compile(r"(?P<word>\D*)(?P<id>[0-9]+)", re.DOTALL)
GRADE, MAXIMUM, FEEDBACK, NAMES, TEAM = "Grade", "Maximum grade", "Feedback comments", "Full name", "Group"


def recognise(export: Export) -> str:
    """Most of what is directly in it carries `assignsubmission` in its name."""
    names = [e.path[0] for e in export.entries]
    count = sum(NAME.fullmatch(n) is not None for n in names)
    return "its names hold assignsubmission" if count * 2 > len(names) else ""


def handed_in(export: Export) -> Iterator[Handed]:
    """Each participant's or team's files, under the names that they had."""
    found: dict[tuple[str, str], Handed] = {}
    for entry in export.entries:
        if (match := NAME.fullmatch(entry.path[0])) is None:
            continue
        name, number = match["name"], match["id"] or ""
        student_id = f"{name}_{number}" if number else name
        handed = found.setdefault((name, number), Handed(student_id, name, platform_id=number))
        handed.entries.append(_below(entry, match["file"] or ""))
    yield from found.values()


def _below(entry: Entry, file: str) -> Entry:
    """The entry as it was in the student's own folder."""
    inside = entry.path[1:]
    return replace(entry, path=inside or (file or "(unnamed)",))


def fill(sheet: Sheet, book: Gradebook, choices: Choices) -> Filled:
    """The worksheet with grades, and with a summary where there is no comment yet; every other byte as it was."""
    column, feedback = _grade_column(sheet, choices.column), sheet.column(FEEDBACK)
    comma = grades.decimal_comma(
        sheet.value(r, c) for r in range(1, len(sheet.rows)) for c in (column, sheet.column(MAXIMUM)) if c is not None
    )
    values: dict[tuple[int, int], str] = {}
    written: list[str] = []
    pending: list[str] = []
    finder = grades.Finder(book.scorecards)
    for row, card in whose(sheet, finder):
        if column >= len(sheet.rows[row]):
            continue
        if not grades.final(card, include_pending=choices.include_pending):
            pending.append(card.student_id)
            continue
        values[row, column] = grades.number(card.grade, comma)
        written.append(sheet.value(row, 0))
        if feedback and feedback < len(sheet.rows[row]) and not sheet.value(row, feedback):
            values[row, feedback] = paragraph(summary(card))
    remarks = _refused(sheet, book)
    return Filled(sheet.with_values(values), tuple(written), tuple(pending), finder.left, tuple(remarks))


def whose(sheet: Sheet, finder: grades.Finder) -> Iterator[tuple[int, Scorecard]]:
    """The rows with their scorecards. A number alone is not believed: a team's may be some participant's too."""
    names, team = _names_column(sheet), sheet.column(TEAM)
    for row in range(1, len(sheet.rows)):
        match = IDENTIFIER.fullmatch(sheet.value(row, 0))
        if match is None:
            continue
        card = finder.by_team(sheet.value(row, team))
        if card is None:
            known = (match["word"], sheet.value(row, names))
            card = finder.by_platform_id(match["id"], known) or finder.by_id(*_ids(sheet, row))
        if card:
            yield row, card


def feedback_folder(sheet: Sheet, row: int) -> str:
    """The name by which Moodle takes a folder as a participant's feedback: {name}_{number}_{plugin type}_{plugin}."""
    match = IDENTIFIER.fullmatch(sheet.value(row, 0))
    assert match is not None  # noqa: S101  # `whose` gives no other rows
    name = sheet.value(row, _names_column(sheet)) or match["word"]
    safe = "".join(c if c.isprintable() and c not in '_/\\:*?"<>|' else " " for c in name).strip(" .~") or "Participant"
    return f"{safe}_{match['id']}_assignfeedback_file"


def _names_column(sheet: Sheet) -> int:
    """The column of full names: under its English heading, else the second, where it stands in every language.

    Of a blind marking the second column is the status, and the identifier's own word says who it is.
    """
    found = sheet.column(NAMES)
    return 1 if found is None else found


def _ids(sheet: Sheet, row: int) -> list[str]:
    """What else may name the student: the columns between the name and the status."""
    return [sheet.value(row, sheet.column(h)) for h in ("ID number", "Username", "Email address")]


def _grade_column(sheet: Sheet, wanted: str | None) -> int:
    """The column of grades. Raises `UsageError` for what is no worksheet, or is in another language."""
    headings = sheet.headings
    if len(sheet.rows) > 1 and not IDENTIFIER.fullmatch(sheet.value(1, 0)):
        raise UsageError(
            f"{sheet.name} does not begin with identifiers such as Participant 12345 (it has {sheet.value(1, 0)!r}): "
            f"in Moodle choose Download grading worksheet, and give that file."
        )
    column = sheet.column(wanted or GRADE)
    if column is None:
        raise UsageError(
            f"{sheet.name} has no column {wanted or GRADE!r}; it has: {', '.join(headings)}. "
            f"Headings are in the site's language: say which holds the grade with --column."
        )
    return column


def _refused(sheet: Sheet, book: Gradebook) -> Iterator[str]:
    """What Moodle would pass over, or count otherwise, without a word."""
    most = (sheet.value(r, sheet.column(MAXIMUM)) for r in range(1, len(sheet.rows)))
    for remark in grades.other_maximum("Moodle", most, book):
        yield f"{remark} It passes over grades above its own."
    if sheet.column("Last modified (grade)") is None:
        yield "There is no column Last modified (grade), which Moodle needs (in another language under another name)."


def summary(card: Scorecard) -> str:
    """Points by question in one line; the questions are public, their hidden checks are not named."""
    parts = [f"{q.title} {grades.number(q.points)}/{grades.number(q.max_points)}" for q in card.questions]
    return f"{card.summary}. {'; '.join(parts)}"


PLATFORM = Platform("moodle", "Moodle, Download all submissions", recognise, handed_in, fill=fill)
