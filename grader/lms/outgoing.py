"""Scorecards -> what an instructor imports: a filled sheet, a table, a zip of feedback pages.

What is for students is folded first: a question's hidden checks become one line without name, message or input.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

from grader import report
from grader.errors import UsageError
from grader.lms import PLATFORMS, folding, grades, moodle
from grader.lms.platform import Choices, Platform
from grader.lms.sheet import Filled, Sheet
from grader.model import Gradebook, Scorecard

ALIASES = {"csv": "plain"}
ALWAYS = (2020, 1, 1, 0, 0, 0)  # the time of every member: equal pages make an equal zip


def export(platform: str, book: Gradebook, sheet: Path | None, choices: Choices) -> Filled:
    """The class's grades in a platform's form. Raises `UsageError`."""
    chosen = able(platform)
    if chosen.make and sheet:
        raise UsageError(f"{platform} is a table of our own, into which no sheet goes: leave --sheet out.")
    if chosen.make:
        return chosen.make(book, choices)
    assert chosen.fill is not None  # noqa: S101  # one of the two is there
    if sheet is None:
        raise UsageError(
            f"{chosen.title.partition(',')[0]} takes its own sheet back: export it there, and give it with --sheet."
        )
    return chosen.fill(read(sheet), book, choices)


def able(platform: str) -> Platform:
    """The platform that grades can go to. Raises `UsageError`."""
    chosen = PLATFORMS.get(ALIASES.get(platform, platform))
    if chosen is None or not (chosen.fill or chosen.make):
        names = [p.name for p in PLATFORMS.values() if p.name != "plain" and (p.fill or p.make)]
        raise UsageError(
            f"{platform!r} has no sheet that grades can be written into: wanted one of "
            f"{', '.join([*names, *ALIASES])}. Any other platform's can be filled from csv."
        )
    return chosen


def read(path: Path) -> Sheet:
    """A sheet from a file. Raises `UsageError`."""
    try:
        return Sheet(path.read_bytes(), path.name)
    except OSError as e:
        raise UsageError(f"{path} cannot be opened ({e.strerror}): give the sheet that the platform exports.") from e


def feedback(sheet: Sheet, book: Gradebook, choices: Choices) -> tuple[bytes, int]:
    """Moodle's zip of feedback files, a page for each participant whose points are final; and how many."""
    finder = grades.Finder(book.scorecards)
    pages = [
        (moodle.feedback_folder(sheet, row), card)
        for row, card in moodle.whose(sheet, finder)
        if grades.final(card, include_pending=choices.include_pending)
    ]
    return _zipped((f"{folder}/report.html", page(card, book.title)) for folder, card in pages), len(pages)


def page(card: Scorecard, title: str) -> str:
    """The page that a student may see on a platform."""
    return report.student_page(folding.folded(card), title)


def _zipped(files: Iterable[tuple[str, str]]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files:
            archive.writestr(zipfile.ZipInfo(name, ALWAYS), text.encode(), zipfile.ZIP_DEFLATED)
    return data.getvalue()
