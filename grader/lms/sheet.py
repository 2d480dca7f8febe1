"""An instructor's own CSV: cells are changed in place, and every other byte stays as it was.

A CSV is read into rows of cells that know where in the text they stand. So a byte-order mark, the delimiter, line ends,
quoting, and whatever else a platform wrote, survive: nothing is parsed into a table and written anew.
"""

from __future__ import annotations

import codecs
import html
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from grader.errors import UsageError

MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Cell:
    """A cell: its value, and where in the text it stands, quotes included."""

    value: str
    start: int
    end: int
    quoted: bool


@dataclass(frozen=True)
class Filled:
    """A sheet with grades: its bytes, and what became of whom, for a person to read."""

    data: bytes
    written: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """A CSV as bytes. `name` is for messages."""

    data: bytes
    name: str = "the sheet"

    @cached_property
    def _decoded(self) -> tuple[bytes, str, str]:
        """The byte-order mark, the encoding, and the text after the mark."""
        for mark, encoding in MARKS:
            if self.data.startswith(mark):
                return mark, encoding, self._decode(self.data[len(mark) :], encoding)
        if b"\0" in self.data:
            raise UsageError(
                f"{self.name} is no text: give the CSV that the platform exports, not a spreadsheet or a zip."
            )
        try:
            return b"", "utf-8", self.data.decode()
        except UnicodeDecodeError:  # a local code page: Latin-1 gives every byte back, whatever it stands for
            return b"", "latin-1", self.data.decode("latin-1")

    def _decode(self, data: bytes, encoding: str) -> str:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError as e:
            raise UsageError(f"{self.name} is not the {encoding} that its first bytes say: export it again.") from e

    @property
    def text(self) -> str:
        """All of it, line ends as they are."""
        return self._decoded[2]

    @cached_property
    def delimiter(self) -> str:
        """The character between cells: the one of which the first line has most, outside quotes."""
        counts = dict.fromkeys(DELIMITERS, 0)
        quoted = False
        for c in self.text:
            if c == '"':
                quoted = not quoted
            elif c in "\r\n" and not quoted:
                break
            elif c in counts and not quoted:
                counts[c] += 1
        return max(counts, key=lambda c: counts[c])

    @cached_property
    def rows(self) -> list[list[Cell]]:
        """The cells, by row; an empty line is a row with one empty cell."""
        rows: list[list[Cell]] = [[]]
        at = 0
        while at < len(self.text):
            cell = _cell(self.text, at, self.delimiter)
            rows[-1].append(cell)
            at = cell.end
            if at < len(self.text) and self.text[at] == self.delimiter:
                at += 1
                if at == len(self.text):
                    rows[-1].append(Cell("", at, at, quoted=False))
            elif at < len(self.text):
                at += 2 if self.text.startswith("\r\n", at) else 1
                rows.append([])
        return rows if rows[-1] else rows[:-1]

    @property
    def headings(self) -> list[str]:
        """The first row, without spaces at the ends. Raises `UsageError` for an empty sheet."""
        if not self.rows:
            raise UsageError(f"{self.name} is empty: give the sheet that the platform exports.")
        return [c.value.strip() for c in self.rows[0]]

    def column(self, heading: str) -> int | None:
        """The place of a heading, whatever its case."""
        names = [h.casefold() for h in self.headings]
        return names.index(heading.casefold()) if heading.casefold() in names else None

    def value(self, row: int, column: int | None) -> str:
        """A cell's value without spaces at the ends; "" where there is no such cell."""
        if column is None or column >= len(self.rows[row]):
            return ""
        return self.rows[row][column].value.strip()

    def with_values(self, values: Mapping[tuple[int, int], str]) -> bytes:
        """The bytes with other values in some cells, by (row, column); all else is the same."""
        mark, encoding, text = self._decoded
        parts: list[str] = []
        at = 0
        for (row, column), value in sorted(values.items()):
            cell = self.rows[row][column]
            parts += [text[at : cell.start], self._written(value, cell, encoding)]
            at = cell.end
        parts.append(text[at:])
        return mark + "".join(parts).encode(encoding)

    def _written(self, value: str, cell: Cell, encoding: str) -> str:
        """A value as a cell: quoted if it must be, or if the cell that it replaces is."""
        if encoding == "latin-1":  # the page is unknown, so nothing but ASCII is sure to arrive
            value = value.encode("ascii", "xmlcharrefreplace").decode()
        if cell.quoted or any(c in value for c in f'{self.delimiter}"\r\n'):
            return '"' + value.replace('"', '""') + '"'
        return value


def _cell(text: str, start: int, delimiter: str) -> Cell:
    """The cell that begins at `start`, up to a delimiter, a line end or the end."""
    at = start
    if text.startswith('"', at):
        value, at = _quoted(text, at + 1)
        quoted = True
    else:
        value, quoted = "", False
    first = at
    while at < len(text) and text[at] not in delimiter + "\r\n":
        at += 1
    return Cell(value + text[first:at], start, at, quoted)


def _quoted(text: str, at: int) -> tuple[str, int]:
    """What stands in quotes, a doubled quote being one; and where it ends."""
    value = ""
    while True:
        end = text.find('"', at)
        if end < 0:  # never closed: the rest is the cell
            return value + text[at:], len(text)
        value += text[at:end]
        if not text.startswith('""', end):
            return value, end + 1
        value, at = value + '"', end + 2


def unquoted_formula(value: str) -> str:
    """A text without the shape that spreadsheets and Canvas give to a name beginning with "=": `="=Ann"`."""
    if value.startswith('="') and value.endswith('"') and len(value) > 2:
        return value[2:-1].replace('""', '"')
    return value


def paragraph(text: str) -> str:
    """A text as one paragraph of HTML; its beginning keeps a spreadsheet from taking it for a formula."""
    return f"<p>{html.escape(text)}</p>".replace("\n", "<br>")
