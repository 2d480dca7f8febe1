"""The student's own line behind a check's outcome, quoted from what was handed in. Trusted: files are read, never run.

Where the line stands is said by what ran beside the student's code, so it is only a reason to look there: a place that
is not in the files has no line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from grader.model import CheckResult, File, OwnLine, Verdict
from grader.source import files as source

MOST_CHARACTERS = 200
ELSEWHERE = "Layers of this kind that were seen"  # from here on a message names lines that are about something else
SILENT = (Verdict.PASSED, Verdict.SKIPPED, Verdict.UNGRADED, Verdict.INTERNAL)  # nothing of the student's to be shown


def quoted(checks: Iterable[CheckResult], files: Sequence[File], found: Sequence[str]) -> tuple[CheckResult, ...]:
    """The checks with the line that each is about; `found` says of each answer's name where it was found."""
    return tuple(c if c.verdict in SILENT else c.model_copy(update={"line": _line(c, files, found)}) for c in checks)


def _line(check: CheckResult, files: Sequence[File], found: Sequence[str]) -> OwnLine | None:
    """The line that the message names, else the one where the answer was found."""
    bound = [f for f in found if check.answer and f.startswith(f"{check.answer}: ")]
    named = (at(said, files) for said in (check.message, *bound))
    return next((line for line in named if line), None)


def at(said: str, files: Sequence[File]) -> OwnLine | None:
    """The line at the first place that a text names, if it is there and not blank.

    "(assignment, a.py, line 3)" only lists what else there is.
    """
    by_name = {f.name: f for f in files}
    names = "|".join(re.escape(name) for name in sorted(by_name, key=len, reverse=True))
    match = (
        re.search(
            rf"(?<![\w/.-])(?<!\w, )({names})(?:, cell (\d{{1,6}}))?, line (\d{{1,6}})\b", said.partition(ELSEWHERE)[0]
        )
        if names
        else None
    )
    if not match:
        return None
    file, cell, number = match[1], int(match[2] or 0), int(match[3])
    lines = _cells(file, by_name[file].data).get(cell, "").split("\n")
    text = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    place = f"{file}, cell {cell}" if cell else file
    return OwnLine(place=place, number=number, text=_cut(text)) if text else None


def _cut(text: str) -> str:
    """At most MOST_CHARACTERS, without halves of characters, which no file can hold."""
    shown = text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"
    return shown.encode("utf-8", "replace").decode()


@lru_cache(maxsize=4)
def _cells(name: str, data: bytes) -> dict[int, str]:
    """The code of a file by cell; none where it cannot be read."""
    try:
        return source.cells(name, data)[0]
    except source.ProblemError:
        return {}
