"""What a student handed in -> the definitions that the questions need. Runs beside student code: standard library only.

Theory of operation. Real submissions train, plot and download at the top level, so running all of one is the last
resort. `Book.slice` takes the backward slice of the asked-for names instead: the statement that binds a name last, the
conditional ones after it, those that change the object in place, and in turn everything that these read (flow.py).

A slice makes code run, it does not make it safe: what it gives is run inside the sandbox like everything else.

    book = open_({"submission.ipynb": data})
    sys.meta_path.insert(0, book.modules)
    piece = book.slice(["LeNet"])
    for block in piece.blocks:
        exec(block.code, spaces[block.space])
"""

from __future__ import annotations

import ast
import linecache
import re
import sys
import warnings
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType

from grader import scope, source
from grader.flow import Candidate, Definition, Flow, left_out
from grader.scope import Unit
from grader.source import PARSER_FAULTS, Place, ProblemError, Remark, Source

__all__ = ["Block", "Book", "Candidate", "Definition", "Finder", "Found", "Piece", "ProblemError", "find", "open_"]


@dataclass(frozen=True)
class Block:
    """One statement, compiled. Blocks are run in order, each in the namespace `space`, one namespace per file.

    `binds`: the names that it binds.
    """

    code: CodeType = field(repr=False)
    space: str
    place: Place
    binds: tuple[str, ...] = ()
    is_import: bool = False


@dataclass(frozen=True)
class Piece:
    """What is to be run. `found` says in which space a name will be; `kept` and `dropped` are sentences.

    `problems` name statements that were wanted and do not compile.
    """

    blocks: tuple[Block, ...]
    found: dict[str, str]
    missing: tuple[str, ...]
    kept: tuple[str, ...]
    dropped: tuple[str, ...]
    problems: tuple[str, ...]


# ------------------------------------------------------------------------------------------------------- all files


SHOWN = 6  # names in one message
QUESTION_FILE = re.compile(r"(q\d{1,2})(?![0-9])", re.IGNORECASE)


class Book:
    """Everything that one student handed in, read; nothing of it is run. Made by `open_`."""

    def __init__(self, sources: Sequence[Source], problems: Sequence[Remark]) -> None:
        self.flows = tuple(Flow(s) for s in sources)
        self._unread = tuple(problems)
        self.modules = Finder(self)

    @property
    def file(self) -> str:
        """The main file: submission.*, the only one, or the first."""
        return self.flows[0].file

    @property
    def files(self) -> tuple[str, ...]:
        """The files in the order in which names are looked for."""
        return tuple(f.file for f in self.flows)

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """What could not be read: files, cells, statements; a sentence each."""
        return tuple(str(p) for p in [*self._unread, *(p for f in self.flows for p in f.problems)])

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What was changed in reading: notebook commands left out, cells taken as modules, files never imported."""
        return (*(str(n) for f in self.flows for n in f.source.notes), *self.modules.notes)

    @cached_property
    def definitions(self) -> tuple[Definition, ...]:
        """All top-level names of all files, the main file's first."""
        return tuple(d for f in self.flows for d in f.definitions().values())

    def candidates(self, question: str = "") -> tuple[Candidate, ...]:
        """What might be an answer under another name; of the question's own file alone, where there is one."""
        return tuple(c for f in self._for(question) for c in f.candidates())

    def _for(self, question: str) -> Sequence[Flow]:
        """The files to look in for a question: the one named after it before the others."""
        match = QUESTION_FILE.match(question)
        if not match:
            return self.flows
        own = [f for f in self.flows if _question_of(f.file) == match[1].lower()]
        return own + [f for f in self.flows if f not in own]

    def where(self, name: str, question: str = "") -> Definition | None:
        """Where a name is bound: by a definition rather than by an import, in the question's own file if it has one."""
        found = [f.definitions()[name] for f in self._for(question) if name in f.binders]
        return next((d for d in found if d.kind != "import"), found[0] if found else None)

    def slice(self, names: Iterable[str], question: str = "") -> Piece:
        """The statements that the names need. Names that nothing binds are `missing`; the others are still sliced."""
        wanted: dict[str, list[str]] = {}
        found: dict[str, str] = {}
        missing: list[str] = []
        for name in names:
            place = self.where(name, question)
            if place is None:
                missing.append(name)
            else:
                found[name] = place.place.file
                wanted.setdefault(place.place.file, []).append(name)
        parts = [_part(f, wanted[f.file]) for f in self.flows if f.file in wanted]
        return _piece(parts, found, tuple(missing))

    def whole(self, file: str = "") -> Piece:
        """Every statement of a file (the main one unless named) but those under the main guard, for a second try."""
        flow = next((f for f in self.flows if f.file == file), self.flows[0])
        units = [u for u in flow.units if not u.statement.guarded]
        found = dict.fromkeys(flow.definitions(), flow.file)
        return _piece([Part(flow, units)], found, ())

    def explanation(self, name: str, headings: Sequence[str] = ()) -> str | None:
        """A text: the string bound to the name, else the Markdown under the headings that match one of the patterns."""
        for flow in self.flows:
            if (text := _string(flow, name)).strip():
                return text.strip()
        for flow in self.flows:
            sections = _sections(flow.source, [re.compile(h, re.IGNORECASE) for h in headings])
            if sections:
                return "\n\n".join(dict.fromkeys(sections))
        return None

    def space(self, file: str) -> ModuleType:
        """A fresh namespace for the blocks of a file."""
        module = ModuleType(re.sub(r"\W", "_", file.rpartition(".")[0]) or "submission")
        module.__file__ = file
        return module


@dataclass(frozen=True)
class Part:
    """What was chosen of one file."""

    flow: Flow
    units: list[Unit]
    mentioned: dict[int, Remark] = field(default_factory=dict)


def _part(flow: Flow, names: Sequence[str]) -> Part:
    return Part(flow, *flow.slice(names))


def _piece(parts: Sequence[Part], found: dict[str, str], missing: tuple[str, ...]) -> Piece:
    """Compile the parts and tell what was kept and what was not."""
    blocks: list[Block] = []
    problems: list[str] = []
    for part in parts:
        _show_lines(part.flow.source)
        for unit in part.units:
            try:
                blocks.append(_compile(unit, part.flow))
            except PARSER_FAULTS as e:
                problems.append(str(Remark(unit.statement.place, f"{e.args[0] if e.args else e}; it was left out.")))
    return Piece(
        blocks=tuple(blocks),
        found=found,
        missing=missing,
        kept=tuple(str(Remark(u.statement.place, u.statement.snippet)) for p in parts for u in p.units),
        dropped=tuple(sentence for p in parts for sentence in _dropped(p)),
        problems=tuple(problems),
    )


def _dropped(part: Part) -> Iterator[str]:
    """A sentence for each statement that is not run; texts that stand alone are not worth one."""
    kept = {u.index for u in part.units}
    for unit in part.flow.units:
        node = unit.node
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if unit.index in kept or is_text or isinstance(node, ast.Pass):
            continue
        only_prints = isinstance(node, ast.Expr) and scope.root(node.value) == "print"
        if unit.index in part.mentioned:
            yield str(part.mentioned[unit.index])
            continue
        reason = part.flow.reasons[unit.index] or ("it only prints" if only_prints else "nothing asked for needs it")
        yield str(left_out(unit, reason))


def _compile(unit: Unit, flow: Flow) -> Block:
    """Compile one statement under its student's lines. Raises one of `PARSER_FAULTS`."""
    place = unit.statement.place
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "is" with a literal, invalid escapes: the student's own affair
        tree = ast.Module([unit.node], [])
        code = compile(tree, place.label, "exec", flags=flow.flags, dont_inherit=True)
    return Block(code, flow.file, place, tuple(unit.binds), unit.is_import)


def _show_lines(read: Source) -> None:
    """Give tracebacks and `inspect` the lines of a file's cells, which lie on no disk."""
    for cell, lines in read.lines.items():
        label = Place(read.file, cell, 1).label
        text = [f"{line}\n" for line in lines]
        linecache.cache[label] = (sum(map(len, text)), None, text, label)


# ------------------------------------------------------------------------------------------------------------ opening


def open_(files: Mapping[str, bytes]) -> Book:
    """Read a submission's files, by relative POSIX name. Raises `ProblemError` when nothing of any can be used."""
    sources: list[Source] = []
    problems: list[Remark] = []
    for name in sorted(files, key=_rank):
        try:
            sources.append(source.read(name, files[name]))
        except ProblemError as e:
            problems.append(Remark(Place(name, 0, 1), str(e)))
    if not sources:
        first = problems[0].text if problems else "no .py or .ipynb file was handed in: hand in submission.ipynb."
        raise ProblemError(first)
    written = {name: text for s in sources for name, text in s.written.items()}
    for name, text in written.items():
        try:
            sources = [s for s in sources if s.file != name] + [source.parse(name, {0: text})]
        except ProblemError as e:
            problems.append(Remark(Place(name, 0, 1), str(e)))
    return Book(sources, problems)


def _rank(name: str) -> tuple[int, int, bool, str]:
    """The order in which files are looked into: submission.*, one per question, the others; notebooks first."""
    lower = name.lower()
    stem = lower.rpartition("/")[2].rpartition(".")[0]
    order = 0 if stem == "submission" else 1 if _question_of(name) else 2
    return order, name.count("/"), not lower.endswith(".ipynb"), lower


def _question_of(file: str) -> str:
    """The question that a file is named after ("q6_lenet.py": "q6"), "" for none."""
    match = QUESTION_FILE.match(file.rpartition("/")[2])
    return match[1].lower() if match else ""


# ----------------------------------------------------------------------------------------------------------- modules


PROTECTED = (sys.stdlib_module_names - {"test", "this", "antigravity"}) | {"torch", "torchvision", "numpy", "grader"}
"""Modules that a student's file of the same name must not replace: the harness imports them lazily too."""


class Finder(MetaPathFinder, Loader):
    """A finder for `sys.meta_path` that gives a submission's own files, sliced so that importing does not train."""

    def __init__(self, book: Book) -> None:
        self._flows = {f.file: f for f in book.flows}
        named = {name: file for file in sorted(self._flows, key=lambda f: f.endswith(".py")) if (name := _module(file))}
        protected = {n for n in named if n.partition(".")[0] in PROTECTED}
        self._files = {n: f for n, f in named.items() if n not in protected}
        self._packages = {".".join(n.split(".")[:i]) for n in self._files for i in range(1, n.count(".") + 1)}
        self.notes = tuple(
            f"{named[n]} cannot be imported: Python has a module {n}. Rename it." for n in sorted(protected)
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The modules that can be imported."""
        return tuple(sorted(self._files))

    def file_of(self, name: str) -> str | None:
        """The file behind a module's name; one in a sub folder is found by its last part if only one has it."""
        if name in self._files:
            return self._files[name]
        same = [f for n, f in self._files.items() if n.rpartition(".")[2] == name]
        return same[0] if len(same) == 1 and name not in self._packages else None

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        """The import system's question: is this module one of the submission's?"""
        file = self.file_of(fullname)
        if file is None and fullname not in self._packages:
            return None
        spec = ModuleSpec(fullname, self, origin=file, is_package=fullname in self._packages)
        spec.has_location = file is not None
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """The import system makes the module itself."""

    def exec_module(self, module: ModuleType) -> None:
        """Run what the module defines."""
        file = self.file_of(module.__name__)
        if file is not None:
            for block in self.piece(file).blocks:
                exec(block.code, module.__dict__)  # noqa: S102  # this is an import, inside the sandbox

    def piece(self, file: str) -> Piece:
        """What importing a file runs: its definitions, what they need, and the names that other files ask of it."""
        flow = self._flows[file]
        siblings = {n for u in flow.units if u.is_import and self._is_sibling(u) for n in u.binds}
        asked = self._asked & flow.binders.keys()
        part = _part(flow, [*flow.definition_names(), *siblings, *asked])
        units = sorted({u.index: u for u in [*part.units, *(flow.units[i] for i in flow.stars)]}.items())
        return _piece([Part(flow, [u for _, u in units], part.mentioned)], {}, ())

    def _is_sibling(self, unit: Unit) -> bool:
        node = unit.node
        names = (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in getattr(node, "names", [])]
        )
        return any(self.file_of(n) or n in self._packages for n in names)

    @cached_property
    def _asked(self) -> set[str]:
        """Every name that some file imports from a module or reads as an attribute."""
        nodes = [n for f in self._flows.values() for u in f.units for n in ast.walk(u.node)]
        imported = {a.name for n in nodes if isinstance(n, ast.ImportFrom) for a in n.names}
        return imported | {n.attr for n in nodes if isinstance(n, ast.Attribute)}


def _module(file: str) -> str:
    """The dotted name under which a file can be imported; "" if none."""
    parts = file.rpartition(".")[0].split("/")
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts) if parts and all(p.isidentifier() for p in parts) else ""


# ------------------------------------------------------------------------------------------------------ explanations


HEADING = re.compile(r"[ ]{0,3}(#{1,6})[ \t]+(.*?)[ \t#]*$|[ ]{0,3}(\*\*|__)(.{1,300}?)\3[ \t]*[:\uff1a]?[ \t]*$")
BOLD = 7
FENCE = re.compile(r"[ ]{0,3}(```|~~~)")


def _string(flow: Flow, name: str) -> str:
    """The text that a name is bound to, put together from constant strings; "" if it is no such thing."""
    text = ""
    for index in flow.binders.get(name, []):
        node = flow.units[index].node
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            text = _constant(node.value)
        elif isinstance(node, ast.AugAssign):
            text += _constant(node.value)
    return text


def _constant(node: ast.expr) -> str:
    """A string that can be told without running anything: literals, `+`, `.strip()`, brackets."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _constant(node.left) + _constant(node.right)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_constant, node.values))
    if isinstance(node, ast.Tuple | ast.List):
        return "\n".join(map(_constant, node.elts))
    if isinstance(node, ast.Call):
        inner = node.func.value if isinstance(node.func, ast.Attribute) else None
        return (_constant(inner) if inner else "") or "".join(map(_constant, node.args))
    return ""


def _sections(read: Source, patterns: Sequence[re.Pattern[str]]) -> list[str]:
    """The texts under matching headings, each up to the next heading of that level or the next code cell."""
    found: list[str] = []
    for after in sorted({t.after for t in read.texts}):
        lines = [line for t in read.texts if t.after == after for line in t.text.split("\n")]
        headings = list(_headings(lines))
        for at, level, title in headings:
            if any(p.search(title) for p in patterns):
                end = min((a for a, deep, _ in headings if a > at and deep <= level), default=len(lines))
                found.append("\n".join(lines[at + 1 : end]).strip())
    return [text for text in found if text]


def _headings(lines: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """(line, level, title) of each heading outside code fences; a line all in bold is one, of the lowest level."""
    fenced = False
    for at, line in enumerate(lines):
        if FENCE.match(line):
            fenced = not fenced
        elif not fenced and len(line) < 500 and (match := HEADING.match(line)):
            yield at, len(match[1]) if match[1] else BOLD, match[2] if match[1] else match[4]


# ------------------------------------------------------------------------------------------------------ other names


@dataclass(frozen=True)
class Found:
    """The outcome of looking for an answer. `name` is "" when there is none or `several` fit; `rule` is a sentence."""

    name: str
    rule: str
    place: Place | None = None
    several: tuple[Definition, ...] = ()


def find(book: Book, answer: str, aliases: Sequence[str] = (), question: str = "", taken: Container[str] = ()) -> Found:
    """Look for an answer by its name, then by its aliases: patterns matched in full, ignoring case.

    Among several that match an alias a class goes before a function and this before an object, so that `net = Net()`
    beside `class Net` is no riddle. Where there is none, what else is defined is named, but for what is `taken`.
    """
    if exact := book.where(answer, question):
        return Found(answer, f"{answer} was found under its own name", exact.place)
    definitions = _by_name(book, question)
    for alias in [re.escape(answer), *aliases]:
        matching = [d for name, d in definitions.items() if re.fullmatch(alias, name, re.IGNORECASE)]
        for kind in ("class", "function", "assignment", "import"):
            same = [d for d in matching if d.kind == kind]
            if len(same) == 1:
                return Found(same[0].name, f"{same[0].name} was taken for {answer}, by its name", same[0].place)
            if same:
                names = ", ".join(d.name for d in same)
                return Found("", f"{names} could each be {answer}: rename the right one {answer}", None, tuple(same))
    bound = [str(d) for d in definitions.values() if d.kind != "import" and d.name not in taken]
    more = f" and {len(bound) - SHOWN} more" if len(bound) > SHOWN else ""
    nothing = "what there is answers other questions" if definitions else "nothing is defined at all"
    found = f"found instead: {', '.join(bound[:SHOWN])}{more}" if bound else nothing
    return Found("", f"nothing is named {answer} or alike; {found}. Bind your answer to the name {answer}")


def _by_name(book: Book, question: str) -> dict[str, Definition]:
    """The definition of each name that `where` would choose."""
    names = dict.fromkeys(d.name for d in book.definitions)
    return {name: place for name in names if (place := book.where(name, question))}
