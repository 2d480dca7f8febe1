"""A .py or .ipynb file as students write it -> its cells and statements. Runs beside student code: standard library.

Each code cell is parsed alone. When it does not parse as it is, the line that stands in the way is looked at: a
notebook command (`!pip`, `%matplotlib`) is blanked, mixed tabs and invisible characters are mended, and otherwise the
one broken statement is blanked and named as a problem, so that the rest of the cell counts. Lines are replaced, never
moved: every line number stays the student's own. Cells are counted from 1, code cells only.

A file of which nothing can be read raises `ProblemError`, whose text is a sentence for the student; no input whatever
raises anything else.
"""

from __future__ import annotations

import ast
import codecs
import json
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

CODE_CHARACTERS = 2_000_000  # all code of one file; the largest hand-written one is a hundred times smaller
STATEMENTS = 5_000  # of one file; a long notebook has a thousand, and slicing is quadratic at worst
CELLS = 5_000  # code cells of one notebook; long ones have two hundred
REPAIRS = 100  # places mended in one cell before the rest of it is given up; each costs one parse
REPAIR_CHARACTERS = 20_000_000  # all that those parses may read

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
    """One top-level statement. `guarded`: it stands under `if __name__ == "__main__":`."""

    place: Place
    node: ast.stmt
    text: str = field(repr=False)
    guarded: bool = False

    @property
    def snippet(self) -> str:
        """Its first line, short enough for a message."""
        line = self.text.strip().split("\n", 1)[0].strip()
        return line if len(line) <= 70 else f"{line[:67]}..."


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
    text = decode(file, data)
    looks_like_notebook = text.lstrip()[:1] == "{" and '"cells"' in text
    if file.lower().endswith(".ipynb") or looks_like_notebook:
        codes, texts = _cells(file, text)
    else:
        codes, texts = {0: text}, []
    return parse(file, codes, tuple(texts))


# ----------------------------------------------------------------------------------------------------- bytes to text


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
    return _clean(text.removeprefix("\ufeff"))


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


def _clean(text: str) -> str:
    """One kind of line end, and no half of a surrogate pair, which no parser takes."""
    return text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()


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
    return _clean(source) if isinstance(source, str) else ""


# ------------------------------------------------------------------------------------------------ cells to statements


KEEP_BODY = frozenset({"time", "timeit", "capture", "prun", "memit", "python", "python3", "script_python"})
CELL_MAGIC = re.compile(r"\A(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*%%(\w+)([^\n]*)")
MAGIC = re.compile(r"\s*(?:[!%?]|[\w.\[\]]+\s*\?{1,2}\s*$|[\w\s,.\[\]]+=\s*[!%])")
TIMED = re.compile(r"(\s*(?:[\w\s,.\[\]]+=)?\s*)%time\s+(.*)")
ASSIGNED = re.compile(r"(\s*[\w\s,.\[\]]+=)\s*[!%]")
RUN = re.compile(r"%run\s+(?:-\w+\s+)*[\"']?(?:\./)?(\w+)\.(?:py|ipynb)\b")
INVISIBLE = str.maketrans({"\u00a0": " ", "\u3000": " ", "\u2003": " ", "\ufeff": None, "\u200b": None})
CONTINUES = re.compile(r"[)\]}#\s]|(?:else|elif|except|finally)\b|$")
PYTHON_2 = ("Missing parentheses in call to", "multiple exception types must be parenthesized")


def parse(file: str, codes: dict[int, str], texts: tuple[Markdown, ...] = ()) -> Source:
    """Parse code cells. Raises `ProblemError` when there is far too much of it."""
    if (size := sum(map(len, codes.values()))) > CODE_CHARACTERS:
        raise ProblemError(
            f"{file} holds {size:,} characters of code; the limit is {CODE_CHARACTERS:,}: keep data out of the code."
        )
    cells = [_Cell(file, number, text) for number, text in codes.items()]
    statements = [s for cell in cells for s in cell.statements()]
    written: dict[str, str] = {}
    for cell in cells:
        for name, text, append in cell.written:
            written[name] = (written.get(name, "") if append else "") + text
    if len(statements) > STATEMENTS:
        raise ProblemError(f"{file} holds {len(statements):,} statements; the limit is {STATEMENTS:,}.")
    return Source(
        file=file,
        statements=tuple(statements),
        texts=texts,
        lines={number: tuple(text.split("\n")) for number, text in codes.items()},
        problems=tuple(p for cell in cells for p in cell.problems),
        notes=tuple(n for cell in cells for n in cell.notes),
        written=written,
    )


class _Cell:
    """One cell while it is being mended; `lines` change, their number never does."""

    def __init__(self, file: str, number: int, text: str) -> None:
        self.file = file
        self.number = number
        self.lines = text.split("\n")
        self.problems: list[Remark] = []
        self.notes: list[Remark] = []
        self.written: list[tuple[str, str, bool]] = []
        self.mended: set[str] = set()

    def place(self, line: int) -> Place:
        return Place(self.file, self.number, line)

    def statements(self) -> list[Statement]:
        """The statements that parse, those under the main guard marked and lifted out of it."""
        if self.number:
            self._cell_magic()
        found: list[Statement] = []
        for node in self._parse():
            if isinstance(node, ast.If) and is_main_guard(node):
                found += [s for inside in node.body for s in self._statement(inside, guarded=True)]
            else:
                found += self._statement(node)
        return found

    def _statement(self, node: ast.stmt, *, guarded: bool = False) -> list[Statement]:
        """The statement with its text, or none when it is too deep to be written down."""
        place = self.place(first_line(node))
        try:
            return [Statement(place, node, self._text(node), guarded)]
        except PARSER_FAULTS as e:
            self.problems.append(Remark(place, f"the statement was left out: {_proportion(e)}."))
            return []

    def _text(self, node: ast.stmt) -> str:
        """The statement's own lines, or a rewritten form when it shares them with another (`a = 1; b = 2`)."""
        lines = self.lines[first_line(node) - 1 : node.end_lineno]
        rest = lines[-1].encode()[node.end_col_offset :].lstrip()
        return "\n".join(lines) if node.col_offset == 0 and rest[:1] in (b"", b"#") else ast.unparse(node)

    def _parse(self) -> list[ast.stmt]:
        for _ in range(min(REPAIRS, 1 + REPAIR_CHARACTERS // (1 + sum(map(len, self.lines))))):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # "invalid escape sequence" is the student's own affair
                    return ast.parse("\n".join(self.lines)).body
            except SyntaxError as e:
                if not self._mend(e):
                    return self._give_up(e.msg)
            except PARSER_FAULTS as e:
                return self._give_up(_proportion(e))
        return self._give_up("too many lines of it do not parse")

    def _give_up(self, reason: str) -> list[ast.stmt]:
        what = "the cell" if self.number else "the file"
        self.problems.append(Remark(self.place(1), f"{what} cannot be parsed: {reason}."))
        return []

    def _cell_magic(self) -> None:
        """`%%time` goes, its body stays; `%%writefile x.py` becomes a module; any other kind of cell is dropped."""
        match = CELL_MAGIC.match("\n".join(self.lines))
        if not match:
            return
        at = match[0].count("\n")
        name, rest, body = match[1], match[2].split(), self.lines[at + 1 :]
        if name in KEEP_BODY:
            self._blank(at, at + 1)
            return
        file = rest[-1].strip("\"'") if rest else ""
        if name in ("writefile", "file") and file.lower().endswith(".py"):
            file = file.rpartition("/")[2] if file.startswith("/") or ".." in file else file.removeprefix("./")
            self.written.append((file, "\n".join([*body, ""]), "-a" in rest))
            self.notes.append(Remark(self.place(at + 1), f"%%{name}: the cell is taken as the module {file}."))
        else:
            self.notes.append(Remark(self.place(at + 1), f"%%{name}: the cell is not Python and was left out."))
        self._blank(0, len(self.lines))

    def _mend(self, error: SyntaxError) -> bool:
        """Take one obstacle out of the way; whether there is something new to parse."""
        at = min(max((error.lineno or 1) - 1, 0), len(self.lines) - 1)
        if self.number and MAGIC.match(self.lines[at]):
            self._drop_magic(at)
            return True
        if isinstance(error, TabError) and self._mend_all("tabs", lambda line: line.expandtabs(8)):
            return True
        if "character" in str(error.msg) and self._mend_all("invisible", lambda line: line.translate(INVISIBLE)):
            return True
        return self._drop_statement(at, error)

    def _mend_all(self, what: str, change: Callable[[str], str]) -> bool:
        """Apply a change to every line, once; whether it changed anything."""
        changed = [change(line) for line in self.lines]
        if what in self.mended or changed == self.lines:
            return False
        self.mended.add(what)
        self.lines = changed
        word = "tabs and spaces were mixed" if what == "tabs" else "invisible characters stood between the words"
        self.notes.append(Remark(self.place(1), f"{word}; this was mended before reading."))
        return True

    def _drop_magic(self, at: int) -> None:
        """Replace a notebook command by Python that does nothing, or by the Python that it holds."""
        line = self.lines[at]
        indent = line[: len(line) - len(line.lstrip())]
        last = at
        while self.lines[last].endswith("\\") and last + 1 < len(self.lines):
            last += 1
        self._blank(at, last + 1)
        if timed := TIMED.match(line):
            self.lines[at] = timed[1] + timed[2]
        elif assigned := ASSIGNED.match(line):
            self.lines[at] = f"{assigned[1]} None"
        elif (run := RUN.match(line)) and run[1].isidentifier():
            self.lines[at] = f"from {run[1]} import *"
        else:
            self.lines[at] = f"{indent}pass"
            self.notes.append(Remark(self.place(at + 1), f"the notebook command {line.strip()[:60]} was left out."))

    def _drop_statement(self, at: int, error: SyntaxError) -> bool:
        """Blank the top-level statement that holds the error; False when there is nothing left to blank."""
        starts = [i for i, line in enumerate(self.lines) if not CONTINUES.match(line)]
        first = max((i for i in starts if i <= at), default=0)
        while first - 1 in starts and self.lines[first - 1].startswith("@"):
            first -= 1
        body = at
        while body in starts and self.lines[body].startswith("@"):
            body += 1
        end = min((i for i in starts if i > body), default=len(self.lines))
        if not any(line.strip() for line in self.lines[first:end]):
            return False
        hint = " This is Python 2; Python 3 is wanted." if any(p in error.msg for p in PYTHON_2) else ""
        line = self.lines[at].strip()[:60]
        self.problems.append(Remark(self.place(at + 1), f"{error.msg}: {line!r}.{hint} This statement was left out."))
        self._blank(first, end)
        return True

    def _blank(self, first: int, end: int) -> None:
        self.lines[first:end] = [""] * (end - first)


def _proportion(error: Exception) -> str:
    """A parser's complaint about size, in words."""
    if isinstance(error, (RecursionError, MemoryError)):
        return "it is nested too deeply"
    return str(error)[:200] or type(error).__name__


def first_line(node: ast.stmt) -> int:
    """Where a statement begins, its decorators included."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return min([node.lineno, *(d.lineno for d in node.decorator_list)])
    return node.lineno


def is_main_guard(node: ast.If) -> bool:
    """Whether this is `if __name__ == "__main__":`."""
    test = node.test
    sides = [test.left, *test.comparators] if isinstance(test, ast.Compare) else []
    return any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)
