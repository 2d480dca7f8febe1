"""A .py or .ipynb file as students write it -> its cells and statements. Runs beside student code: standard library.

Each code cell is parsed alone. When it does not parse as it is, the line that stands in the way is looked at: a
notebook command (`!pip`, `%matplotlib`) is blanked, mixed tabs and invisible characters are mended, and otherwise the
one broken statement is blanked and named as a problem, so that the rest of the cell counts. Lines are replaced, never
moved: every line number stays the student's own. Cells are counted from 1, code cells only.

A file of which nothing can be read raises `ProblemError`, whose text is a sentence for the student; no input whatever
raises anything else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from grader.source import scripts
from grader.source.cells import Cell
from grader.source.decoding import clean, decode
from grader.source.statements import PARSER_FAULTS, Place, ProblemError, Remark, Statement

__all__ = [
    "PARSER_FAULTS",
    "Markdown",
    "Place",
    "ProblemError",
    "Remark",
    "Source",
    "Statement",
    "cells",
    "decode",
    "parse",
    "read",
]

CODE_CHARACTERS = 2_000_000  # all code of one file; the largest hand-written one is a hundred times smaller
STATEMENTS = 5_000  # of one file; a long notebook has a thousand, and slicing is quadratic at worst
CELLS = 5_000  # code cells of one notebook; long ones have two hundred


@dataclass(frozen=True)
class Markdown:
    """A text cell. `after` is the number of the code cell before it, 0 at the top."""

    after: int
    text: str


@dataclass(frozen=True)
class Source:
    """One file, read. `lines` are each cell's as written (key 0: a plain file); `written` are %%writefile modules."""

    file: str
    statements: tuple[Statement, ...]
    texts: tuple[Markdown, ...]
    lines: dict[int, tuple[str, ...]] = field(repr=False)
    problems: tuple[Remark, ...]
    notes: tuple[Remark, ...]
    written: dict[str, str]


def read(file: str, data: bytes) -> Source:
    """Read one file. Raises `ProblemError` when nothing of it can be used."""
    codes, texts = cells(file, data)
    return parse(file, codes, tuple(texts))


def cells(file: str, data: bytes) -> tuple[dict[int, str], list[Markdown]]:
    """The code cells of a file by number (0: a plain file) and its text cells, not parsed. Raises `ProblemError`."""
    text = decode(file, data)
    looks_like_notebook = text.lstrip()[:1] == "{" and '"cells"' in text
    if file.lower().endswith(".ipynb") or looks_like_notebook:
        return _cells(file, text)
    return {0: text}, [Markdown(after, content) for after, content in scripts.texts(text)]


# ----------------------------------------------------------------------------------------------------- text to cells


ADVICE = "Open it in Jupyter or Colab, save it, and hand in the .ipynb file"


def _cells(file: str, text: str) -> tuple[dict[int, str], list[Markdown]]:
    """The code cells by number and the text cells of a notebook of format 3 or 4. Raises `ProblemError`."""
    codes: dict[int, str] = {}
    texts: list[Markdown] = []
    for cell in _raw_cells(file, _load(file, text)):
        kind = cell.get("cell_type")
        content = _content(cell.get("source") or cell.get("input"))
        if kind == "code":
            codes[len(codes) + 1] = content
            if len(codes) > CELLS:
                raise ProblemError(f"{file} has more than {CELLS:,} code cells: hand in only the cells of the answers.")
        elif kind == "heading":
            level = cell.get("level")
            marks = "#" * level if isinstance(level, int) and 1 <= level <= 6 else "#"
            texts.append(Markdown(len(codes), f"{marks} {content}"))
        elif kind == "markdown":
            texts.append(Markdown(len(codes), content))
    return codes, texts


def _load(file: str, text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError, MemoryError) as e:
        if text.lstrip()[:1] == "<":
            raise ProblemError(f"{file} is a web page, not a notebook. {ADVICE}, not the page that shows it.") from e
        reason = f"line {e.lineno}: {e.msg}" if isinstance(e, json.JSONDecodeError) else "it is out of all proportion"
        raise ProblemError(f"{file} is not a notebook: it is not JSON ({reason}). {ADVICE}.") from e


def _raw_cells(file: str, book: object) -> list[dict[str, Any]]:
    if not isinstance(book, dict):
        raise ProblemError(f"{file} is JSON but not a notebook: wanted an object with cells. {ADVICE}.")
    language = _get(_get(_get(book, "metadata"), "language_info"), "name")
    if isinstance(language, str) and "python" not in language.lower():
        raise ProblemError(
            f"{file} is a notebook in {language[:30]!r}, not in Python. Hand in one with a Python kernel."
        )
    cells = book.get("cells")
    if cells is None and isinstance(book.get("worksheets"), list):
        cells = [c for sheet in book["worksheets"] for c in (_get(sheet, "cells") or [])]
    if not isinstance(cells, list):
        raise ProblemError(f"{file} is JSON but not a notebook: it has no list of cells. {ADVICE}.")
    return [c for c in cells if isinstance(c, dict)]


def _get(value: object, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _content(source: object) -> str:
    """A cell's text, which is a string, a list of strings, or missing."""
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    return clean(source) if isinstance(source, str) else ""


# ------------------------------------------------------------------------------------------------ cells to statements


def parse(file: str, codes: dict[int, str], texts: tuple[Markdown, ...] = ()) -> Source:
    """Parse code cells. Raises `ProblemError` when there is far too much of it."""
    if (size := sum(map(len, codes.values()))) > CODE_CHARACTERS:
        raise ProblemError(
            f"{file} holds {size:,} characters of code; the limit is {CODE_CHARACTERS:,}: keep data out of the code."
        )
    mended = [Cell(file, number, text) for number, text in codes.items()]
    statements = [s for cell in mended for s in cell.statements()]
    written: dict[str, str] = {}
    for cell in mended:
        for name, text, append in cell.written:
            written[name] = (written.get(name, "") if append else "") + text
    if len(statements) > STATEMENTS:
        raise ProblemError(f"{file} holds {len(statements):,} statements; the limit is {STATEMENTS:,}.")
    return Source(
        file=file,
        statements=tuple(statements),
        texts=texts,
        lines={number: tuple(text.split("\n")) for number, text in codes.items()},
        problems=tuple(p for cell in mended for p in cell.problems),
        notes=tuple(n for cell in mended for n in cell.notes),
        written=written,
    )
