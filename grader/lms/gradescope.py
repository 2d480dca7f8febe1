"""Gradescope: "Export submissions" in; the sheet of "Download grades", filled, out.

The export is a folder with submission_metadata.yml and a folder for each submission. The file is Ruby's YAML: keys
begin with a colon, and values may carry Ruby's own tags, so all of it is read as text and nothing is constructed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from grader.errors import UsageError
from grader.intake import Entry, Unreadable
from grader.lms import grades
from grader.lms.platform import Choices, Export, Handed, Platform
from grader.lms.sheet import Filled, Sheet
from grader.model import Gradebook

METADATA = "submission_metadata.yml"
MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d+)?\s*(Z|UTC|[+-]\d\d:?\d\d)?")


def recognise(export: Export) -> str:
    """It holds submission_metadata.yml."""
    return f"it holds {METADATA}" if export.file(METADATA) else ""


def handed_in(export: Export) -> Iterator[Handed]:
    """Each submission's files, under its student's id: the SID, else the address, else the submission's number."""
    known = _records(export)
    seen: set[str] = set()
    for folder in dict.fromkeys([*known, *export.folders]):
        entries = [replace(e, path=e.path[1:]) for e in export.entries if len(e.path) > 1 and e.path[0] == folder]
        handed = _handed(folder, known.get(folder, {}), entries)
        if handed.student_id.casefold() in seen:  # one SID, two submissions: neither may hide the other
            handed.student_id = f"{handed.student_id}_{folder}"
        seen.add(handed.student_id.casefold())
        yield handed


def _handed(folder: str, record: dict[str, Any], entries: list[Entry]) -> Handed:
    people = [p for p in _listed(record.get(":submitters")) if isinstance(p, dict)]
    ids = [_text(p, ":sid") or _text(p, ":email") for p in people]
    named = [i for i in ids if i]
    return Handed(
        student_id="+".join(named) or folder,
        name=", ".join(n for p in people if (n := _text(p, ":name"))),
        members=tuple(named) if len(named) > 1 else (),
        platform_id=folder.removeprefix("submission_"),
        submitted_at=moment(_text(record, ":created_at")),
        entries=entries,
    )


def _records(export: Export) -> dict[str, dict[str, Any]]:
    """What the export says of each submission's folder. Raises `UsageError`."""
    import yaml  # only this export needs it

    entry = export.file(METADATA)
    if entry is None:
        raise UsageError(f"{export.path.name} holds no {METADATA}: give Gradescope's export as it was downloaded.")
    try:
        loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
        table = yaml.load(entry.read(), Loader=loader)  # noqa: S506  # a base loader makes text, lists and tables only
    except (yaml.YAMLError, Unreadable, RecursionError) as e:
        raise UsageError(f"{METADATA} cannot be read ({' '.join(str(e).split())}): download the export again.") from e
    if not isinstance(table, dict):
        raise UsageError(f"{METADATA} is not a table of submissions: download the export again.")
    return {str(k): v for k, v in table.items() if isinstance(v, dict)}


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(record: dict[str, Any], key: str) -> str:
    value = record.get(key)
    return value.strip() if isinstance(value, str) else ""


def moment(text: str) -> datetime | None:
    """A time as Ruby writes it, "2024-01-31 04:56:30.123456000 Z"; without a zone it is UTC."""
    if (match := MOMENT.fullmatch(text.strip())) is None:
        return None
    zone = match[4] if match[4] and match[4][0] in "+-" else "+00:00"
    try:
        return datetime.fromisoformat(f"{match[1]}T{match[2]}{zone}").astimezone(UTC)
    except ValueError:
        return None


def fill(sheet: Sheet, book: Gradebook, choices: Choices) -> Filled:
    """The sheet with the points under Total Score; every other byte as it was. Raises `UsageError`."""
    column = sheet.column(choices.column or "Total Score")
    ids = [c for h in ("SID", "Email") if (c := sheet.column(h)) is not None]
    if column is None or not ids:
        raise UsageError(
            f"{sheet.name} has the columns {', '.join(sheet.headings)}; wanted SID or Email, and "
            f"{choices.column or 'Total Score'}: download the grades in Gradescope and give that file."
        )
    finder = grades.Finder(book.scorecards)
    values: dict[tuple[int, int], str] = {}
    pending: list[str] = []
    for row in range(1, len(sheet.rows)):
        number = sheet.value(row, sheet.column("Submission ID"))
        card = finder.by_id(*(sheet.value(row, c) for c in ids)) or finder.by_platform_id(number)
        if card and column < len(sheet.rows[row]):
            if grades.final(card, include_pending=choices.include_pending):
                values[row, column] = grades.number(card.grade)
            else:
                pending.append(card.student_id)
    written = tuple(sheet.value(row, ids[0]) for row, _ in values)
    most = (sheet.value(row, sheet.column("Max Points")) for row in range(1, len(sheet.rows)))
    remarks = grades.other_maximum("Gradescope", most, book)
    return Filled(sheet.with_values(values), written, tuple(pending), finder.left, remarks)


PLATFORM = Platform("gradescope", "Gradescope, Export submissions", recognise, handed_in, fill=fill, own=(METADATA,))
