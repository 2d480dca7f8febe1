"""Bytes as students save them -> text. Runs beside student code: standard library."""

from __future__ import annotations

import codecs
import re

from grader.source.statements import ProblemError

ENCODINGS = ("utf-8", "cp950", "gb18030")
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CODING_LINE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")


def decode(file: str, data: bytes) -> str:
    """Text in whatever encoding it was saved, with `\\n` line ends. Raises `ProblemError` for what is no text."""
    if not data.strip():
        raise ProblemError(f"{file} is empty: save your work, look at the file, and hand it in again.")
    text = next((t for t in (_try_decode(data, e) for e in _encodings(data)) if t is not None), None)
    if text is None or "\0" in text:
        raise ProblemError(f"{file} is not a text file: hand in the notebook or the Python source, saved as UTF-8.")
    return clean(text.removeprefix("\ufeff"))


def _encodings(data: bytes) -> list[str]:
    """The encodings to try: the byte-order mark's, UTF-8, the coding line's, and the two of the region."""
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return [encoding]
    declared = [m[1].decode("ascii", "replace") for m in map(CODING_LINE.match, data.split(b"\n", 2)[:2]) if m]
    return [ENCODINGS[0], *declared, *ENCODINGS[1:]]


def _try_decode(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError, TypeError, ValueError):
        return None


def clean(text: str) -> str:
    """One kind of line end, and no half of a surrogate pair, which no parser takes."""
    return text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()
