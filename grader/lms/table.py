"""Tables that are written anew, for programs and spreadsheets alike: quoted, and nothing in them runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from grader.lms import grades


def written(headings: Sequence[str], rows: Iterable[Sequence[str]], *, mark: bool = False) -> bytes:
    """The CSV as bytes, UTF-8, every cell quoted; with a byte-order mark for Excel if `mark`."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(map(grades.inert, headings))
    writer.writerows([grades.inert(cell) for cell in row] for row in rows)
    return text.getvalue().encode("utf-8-sig" if mark else "utf-8", "backslashreplace")
