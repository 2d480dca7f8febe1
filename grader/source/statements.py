"""The places and statements of what was handed in, as messages name them. Beside student code: standard library."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

PARSER_FAULTS = (SyntaxError, RecursionError, MemoryError, ValueError, OverflowError)
"""What Python's parser raises, on purpose or because the input is out of proportion."""


class ProblemError(Exception):
    """Nothing of a file can be read; the text says to the student what was found, what was wanted and what to do."""


@dataclass(frozen=True)
class Place:
    """Where something stands in what was handed in. `cell` is 0 in a plain file."""

    file: str
    cell: int
    line: int

    @property
    def label(self) -> str:
        """The file name that tracebacks show."""
        return f"{self.file}, cell {self.cell}" if self.cell else self.file

    def __str__(self) -> str:
        return f"{self.label}, line {self.line}"


@dataclass(frozen=True)
class Remark:
    """A place and what is to be said of it."""

    place: Place
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclass(frozen=True)
class Statement:
    """One top-level statement. `guarded`: it stands under `if __name__ == "__main__":`, or `within` a function."""

    place: Place
    node: ast.stmt
    text: str = field(repr=False)
    guarded: bool = False
    within: str = ""

    @property
    def snippet(self) -> str:
        """Its first line, short enough for a message."""
        line = self.text.strip().split("\n", 1)[0].strip()
        return line if len(line) <= 70 else f"{line[:67]}..."
