"""One cell as students write it -> the statements that parse. Runs beside student code: standard library.

It is parsed as it is; where that fails, the line that stands in the way is looked at: a notebook command (`!pip`,
`%matplotlib`) is blanked, mixed tabs and invisible characters are mended, and otherwise the one broken statement is
blanked and named as a problem, so that the rest of the cell counts. Lines are replaced, never moved.
"""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Callable

from grader.source import nested, newer
from grader.source.statements import PARSER_FAULTS, Place, Remark, Statement

REPAIRS = 100  # places mended in one cell before the rest of it is given up; each costs one parse
REPAIR_CHARACTERS = 20_000_000  # all that those parses may read
KEEP_BODY = frozenset({"time", "timeit", "capture", "prun", "memit", "python", "python3", "script_python"})
CELL_MAGIC = re.compile(r"\A(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*%%(\w+)([^\n]*)")
MAGIC = re.compile(r"\s*(?:[!%?]|[\w.\[\]]+\s*\?{1,2}\s*$|[\w\s,.\[\]]+=\s*[!%])")
TIMED = re.compile(r"(\s*(?:[\w\s,.\[\]]+=)?\s*)%time\s+(.*)")
ASSIGNED = re.compile(r"(\s*[\w\s,.\[\]]+=)\s*[!%]")
RUN = re.compile(r"%run\s+(?:-\w+\s+)*[\"']?(?:\./)?(\w+)\.(?:py|ipynb)\b")
INVISIBLE = str.maketrans({"\u00a0": " ", "\u3000": " ", "\u2003": " ", "\ufeff": None, "\u200b": None})
CONTINUES = re.compile(r"[)\]}#\s]|(?:else|elif|except|finally)\b|$")
PRINT = re.compile(r"\s+print\s*\(.*\)\s*(?:#.*)?$")
PYTHON = f"Python {sys.version_info.major}.{sys.version_info.minor}"
NEWER = "f-string"  # before what Python says of one that only a newer Python reads
PYTHON_2 = ("Missing parentheses in call to", "multiple exception types must be parenthesized")


class Cell:
    """One cell while it is being mended; `lines` change, their number never does."""

    def __init__(self, file: str, number: int, text: str) -> None:
        self.file = file
        self.number = number
        self.lines = text.split("\n")
        self.problems: list[Remark] = []
        self.notes: list[Remark] = []
        self.written: list[tuple[str, str, bool]] = []
        self.mended: set[str] = set()
        self.types: frozenset[str] = frozenset()

    def place(self, line: int) -> Place:
        """A line of this cell."""
        return Place(self.file, self.number, line)

    def statements(self) -> list[Statement]:
        """The statements that parse, those under the main guard marked and lifted out of it."""
        if self.number:
            self._cell_magic()
        found: list[Statement] = []
        for node in (inner for statement in self._parse() for inner in self._exported(statement)):
            if isinstance(node, ast.If) and is_main_guard(node):
                found += [s for inside in node.body for s in self._statement(inside, guarded=True)]
            else:
                found += self._statement(node)
            if isinstance(node, ast.FunctionDef):
                found += self._within(node)
        return found

    def _exported(self, node: ast.stmt) -> list[ast.stmt]:
        """What a cell under `%%time` holds, which a notebook that was exported as a script has as a string."""
        code = _code_of_magic(node)
        if code is None:
            return [node]
        try:
            inner = ast.parse(str(code.value)).body
        except PARSER_FAULTS as e:
            self.problems.append(Remark(self.place(node.lineno), f"{e.args[0] if e.args else e}; it was left out."))
            return []
        for part in (n for statement in inner for n in ast.walk(statement) if hasattr(n, "lineno")):
            ast.copy_location(part, code)
        return inner

    def _within(self, function: ast.FunctionDef) -> list[Statement]:
        """The classes within a function that may as well stand outside, where anything of their name counts more."""
        try:
            lifted = nested.liftable(function)
            texts = [ast.unparse(node) for node in lifted]
        except PARSER_FAULTS:
            return []
        for node in lifted:
            if isinstance(node, ast.ClassDef):
                place = self.place(first_line(node))
                told = f"the class {node.name} stands within {function.name}(); it is read as if it stood outside."
                self.notes.append(Remark(place, told))
        return [
            Statement(self.place(first_line(node)), node, text, guarded=True)
            for node, text in zip(lifted, texts, strict=True)
        ]

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
                    tree = ast.parse("\n".join(self.lines))
                return newer.Unevaluated(self.types).visit(tree).body if self.types else tree.body
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
        return self._mend_types(at) or self._drop_statement(at, error)

    def _mend_types(self, at: int) -> bool:
        """Take out the type parameters of a newer Python; whether there were any."""
        line, names = newer.older(self.lines[at])
        if line == self.lines[at]:
            return False
        self.lines[at] = line
        self.types |= names
        told = f"type parameters need Python 3.12, and {PYTHON} reads this; they were left out."
        self.notes.append(Remark(self.place(at + 1), told))
        return True

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
        """Blank the top-level statement that holds the error; False when there is nothing left to blank.

        A line that only prints is left out alone: no answer needs it.
        """
        hint = " This is Python 2; Python 3 is wanted." if any(p in error.msg for p in PYTHON_2) else ""
        hint = hint or (f" {PYTHON} reads this; it may need a newer one." if error.msg.startswith(NEWER) else "")
        text = self.lines[at].strip()[:60]
        told = Remark(self.place(at + 1), f"{error.msg}: {text!r}.{hint} This statement was left out.")
        if PRINT.match(self.lines[at]):
            self.lines[at] = self.lines[at][: -len(self.lines[at].lstrip())] + "pass"
            self.notes.append(told)
            return True
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
        self.problems.append(told)
        self._blank(first, end)
        return True

    def _blank(self, first: int, end: int) -> None:
        self.lines[first:end] = [""] * (end - first)


def _code_of_magic(node: ast.stmt) -> ast.Constant | None:
    """The code of `get_ipython().run_cell_magic("time", "", "code")`; None for any other statement."""
    call = node.value if isinstance(node, ast.Expr) else None
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "run_cell_magic"):
        return None
    texts = [a for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    return texts[2] if len(texts) == 3 and texts[0].value in KEEP_BODY else None


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
