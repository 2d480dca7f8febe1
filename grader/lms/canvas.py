"""Canvas: "Download submissions" in; the gradebook's own CSV, with one column filled, out.

The CSV's rules are those of lib/gradebook_importer.rb: "Student" and "ID" come first, "Section" ends what is about the
student, and an assignment's heading ends in its number. A heading without a known number would make a new assignment,
and the row "Points Possible" would change the assignment's points, so nothing but the grades is touched.

The names in the zip are made by lib/content_zipper.rb of canvas-lms: `{name}[_LATE]_{user}_{attachment}_{file}`, or
`[LATE_]anon_{anonymous}_{attachment}_{file}`, or `..._{user}_text.html` and `..._link.html` for what is no file. A name
may hold underscores and digits itself. As in Canvas' own re-upload, the first two numbers in a row are the ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from grader.errors import UsageError
from grader.intake import Entry, shown
from grader.lms import grades
from grader.lms.platform import Choices, Export, Handed, Platform
from grader.lms.sheet import Filled, Sheet, unquoted_formula
from grader.model import Gradebook, Scorecard

NUMBER = re.compile(r"[0-9]+")
COPY = re.compile(r"-[0-9]{1,3}$")  # how Canvas tells a file handed in again from the earlier one
NO_FILE = ("text.html", "link.html")
ASSIGNMENT = re.compile(r"(?P<title>.*)\((?P<number>[0-9]+)\)", re.DOTALL)
STUDENT, ID = 0, 1  # columns
ID_HEADINGS = ("SIS Login ID", "SIS User ID", "Integration ID")
POSSIBLE = "Points Possible"
EXCUSED = "EX"


@dataclass(frozen=True)
class Name:
    """A file's name in the zip, taken apart."""

    person: str
    late: bool
    user: str
    file: str


def parse(name: str) -> Name | None:
    """Take a name apart; None when it is not one of Canvas'."""
    parts = name.split("_")
    if "anon" in parts[:2]:
        anon = parts.index("anon")
        if found := _anonymous(parts[anon + 1 :], late="LATE" in parts[:anon]):
            return found
    at = _place_of_user(parts)
    if at is None:
        return None
    late = at > 0 and parts[at - 1] == "LATE"
    person = "_".join(parts[: at - late])
    rest = parts[at + 1 :]
    return Name(person, late, parts[at], "_".join(rest if rest[0] in NO_FILE else rest[1:]))


def _anonymous(rest: list[str], *, late: bool) -> Name | None:
    """`{anonymous id}_{attachment}_{file}`. An id of digits alone is a user's whose name is Anon."""
    if len(rest) < 2 or NUMBER.fullmatch(rest[0]) or not rest[0].isalnum():
        return None
    if rest[1:] in ([NO_FILE[0]], [NO_FILE[1]]):
        return Name("", late, f"anon_{rest[0]}", rest[1])
    if len(rest) > 2 and NUMBER.fullmatch(rest[1]):
        return Name("", late, f"anon_{rest[0]}", "_".join(rest[2:]))
    return None


def _place_of_user(parts: list[str]) -> int | None:
    """Where the user's id stands: after LATE if that is there, else the first of two numbers in a row."""
    places = [i for i in range(len(parts)) if _ids_at(parts, i)]
    return next((i for i in places if i and parts[i - 1] == "LATE"), places[0] if places else None)


def _ids_at(parts: list[str], i: int) -> bool:
    if not NUMBER.fullmatch(parts[i]):
        return False
    if parts[i + 1 :] in ([NO_FILE[0]], [NO_FILE[1]]):
        return True
    return len(parts) > i + 2 and bool(NUMBER.fullmatch(parts[i + 1]))


def recognise(export: Export) -> str:
    """Most files directly in it are named as Canvas names them."""
    names = [e.name for e in export.files]
    count = sum(parse(n) is not None for n in names)
    return "its files are named after user and attachment numbers" if count * 2 > len(names) else ""


def handed_in(export: Export) -> Iterator[Handed]:
    """Each user's files, under the names that they had."""
    found: dict[str, Handed] = {}
    for entry in export.files:
        if (name := parse(entry.name)) is None:
            continue
        student_id = f"{name.person}_{name.user}" if name.person else name.user
        handed = found.setdefault(name.user, Handed(student_id, name.person, platform_id=name.user, late=name.late))
        handed.entries.append(replace(entry, path=(name.file,)))
    for handed in found.values():
        if export.every_attempt:
            handed.entries[:] = _each(handed.entries)
        else:
            handed.entries[:], handed.earlier[:], handed.notes = _last(handed.entries)
        yield handed


def _last(entries: list[Entry]) -> tuple[list[Entry], list[Entry], tuple[str, ...]]:
    """The files without the `-1` of a resubmission; of one that is there several times the last.

    Also the others, and a note of them.
    """
    kept, others, notes = [], [], []
    for name, found in _copies(entries).items():
        *earlier, last = (entry for _, entry in found)
        kept.append(replace(last, path=(name,)))
        if earlier:
            others += earlier
            named = ", ".join(shown(e.name) for e in earlier)
            count = f"{len(found)} attempts were handed in"
            notes.append(f"{count}: {shown(last.name)} counts, being the last; not graded: {named}.")
    return kept, others, tuple(notes)


def _each(entries: list[Entry]) -> list[Entry]:
    """The files of every attempt, in folders; a file that was not handed in again is the one of the attempt before."""
    copies = _copies(entries)
    numbers = sorted({number for found in copies.values() for number, _ in found})
    if len(numbers) < 2:
        return [replace(entry, path=(name,)) for name, found in copies.items() for _, entry in found]
    placed = []
    for place, latest in enumerate(numbers, 1):
        for name, found in copies.items():
            if there := [entry for number, entry in found if number <= latest]:
                placed.append(replace(there[-1], path=(f"attempt {place}", name)))
    return placed


def _copies(entries: list[Entry]) -> dict[str, list[tuple[int, Entry]]]:
    """The files by the name that each was given, with the number of each copy, in its order."""
    copies: dict[str, list[tuple[int, Entry]]] = {}
    for entry in entries:
        name, number = _without_copy(entry.name)
        copies.setdefault(name, []).append((number, entry))
    return {name: sorted(found, key=lambda pair: pair[0]) for name, found in copies.items()}


def _without_copy(name: str) -> tuple[str, int]:
    """A file's own name, and the number of its attempt."""
    path = PurePosixPath(name)
    match = COPY.search(path.stem)
    if match is None or match.start() == 0:
        return name, 0
    return path.stem[: match.start()] + path.suffix, int(match[0][1:])


def fill(sheet: Sheet, book: Gradebook, choices: Choices) -> Filled:
    """The gradebook with the points in one assignment's column, and every other byte as it was."""
    column = _column(sheet, choices.column)
    finder = grades.Finder(book.scorecards)
    values: dict[tuple[int, int], str] = {}
    pending: list[str] = []
    remarks = list(grades.other_maximum("Canvas", _possible(sheet, column), book))
    for row in range(1, len(sheet.rows)):
        card = _card(sheet, row, finder)
        if card is None or column >= len(sheet.rows[row]):
            continue
        if sheet.value(row, column).upper() == EXCUSED:
            remarks.append(f"{card.student_id} is excused there and was left so.")
        elif not grades.final(card, include_pending=choices.include_pending):
            pending.append(card.student_id)
        else:
            values[row, column] = grades.number(card.grade)
    written = tuple(sheet.value(row, STUDENT) for row, _ in values)
    return Filled(sheet.with_values(values), written, tuple(pending), finder.left, tuple(remarks))


def _card(sheet: Sheet, row: int, finder: grades.Finder) -> Scorecard | None:
    """Whose row it is: by Canvas' number, then the other ids, then the name. A row without an id is nobody's."""
    user = unquoted_formula(sheet.value(row, ID))
    if not user:
        return None
    ids = [unquoted_formula(sheet.value(row, sheet.column(h))) for h in ID_HEADINGS]
    if card := finder.by_platform_id(user) or finder.by_id(*ids):
        return card
    name = unquoted_formula(sheet.value(row, STUDENT))
    last, _, first = name.partition(",")
    return finder.by_name(name, f"{first} {last}")


def _column(sheet: Sheet, wanted: str | None) -> int:
    """The assignment's column. Raises `UsageError` when the sheet is none of Canvas', or leaves a choice."""
    headings = sheet.headings
    if len(headings) < 3 or "Student" not in headings[STUDENT] or "ID" not in headings[ID]:
        raise UsageError(
            f"{sheet.name} begins with {', '.join(headings[:3])!r}; wanted Student, ID, ...: "
            f"export the gradebook in Canvas and give that file."
        )
    found = {i: m for i, h in enumerate(headings) if i > ID and (m := ASSIGNMENT.fullmatch(h))}
    titles = ", ".join(headings[i] for i in found)
    if wanted is not None:
        found = {i: m for i, m in found.items() if wanted in (headings[i], m["number"], m["title"].strip())}
    if len(found) == 1:
        return next(iter(found))
    missing = "has no such assignment" if wanted is not None else "has several assignments" if found else "has none"
    raise UsageError(f"{sheet.name} {missing}; it has: {titles or 'none'}. Choose one with --column.")


def _possible(sheet: Sheet, column: int) -> list[str]:
    """The points that Canvas says the assignment has."""
    rows = range(1, min(len(sheet.rows), 4))
    return [sheet.value(row, column) for row in rows if sheet.value(row, STUDENT) == POSSIBLE]


PLATFORM = Platform("canvas", "Canvas, Download submissions", recognise, handed_in, fill=fill)
