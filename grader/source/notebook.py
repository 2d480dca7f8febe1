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
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from types import ModuleType

from grader.source import candidates, effects, explanations, labels
from grader.source import files as source
from grader.source.candidates import Candidate
from grader.source.declared import declared
from grader.source.files import Place, ProblemError, Remark, Source
from grader.source.flow import Definition, Flow
from grader.source.opening import opened
from grader.source.pieces import Block, Part, Piece, part, piece
from grader.source.settings import Own
from grader.source.siblings import Finder

__all__ = ["Block", "Book", "Candidate", "Definition", "Finder", "Piece", "ProblemError", "open_"]

QUESTION_FILE = re.compile(r"(q\d{1,2})(?![0-9])", re.IGNORECASE)


class Book:
    """Everything that one student handed in, read; nothing of it is run. Made by `open_`."""

    def __init__(self, flows: Sequence[Flow], problems: Sequence[Remark] = ()) -> None:
        self.flows = tuple(flows)
        self._unread = tuple(problems)
        self.modules = Finder(self.flows)

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
        return tuple(c for f in self._for(question) for c in self._candidates[f])

    @cached_property
    def _candidates(self) -> dict[Flow, list[Candidate]]:
        """Those of each file: they are asked for with every name that is looked for."""
        return {f: candidates.candidates(f) for f in self.flows}

    def made_with(self, name: str) -> tuple[Candidate, ...]:
        """The functions, then the objects, of all files that are made by calling what a name is bound to."""
        found = [c for f in self.flows for c in candidates.made_with(f, name)]
        return tuple(sorted(found, key=lambda c: c.kind != "function"))

    def _for(self, question: str) -> Sequence[Flow]:
        """The files to look in for a question: the one named after it before the others."""
        match = QUESTION_FILE.match(question)
        if not match:
            return self.flows
        own = [f for f in self.flows if _question_of(f.file) == match[1].lower()]
        return own + [f for f in self.flows if f not in own]

    def file_for(self, question: str) -> str:
        """The file to look in first for a question."""
        return self._for(question)[0].file

    def has_file_of(self, question: str) -> bool:
        """Whether a file is named after the question."""
        match = QUESTION_FILE.match(question)
        return match is not None and _question_of(self._for(question)[0].file) == match[1].lower()

    def called_for(self, name: str, question: str = "") -> frozenset[str]:
        """The parts of what is called to bind a name."""
        return next((f.called_for(name) for f in self._for(question) if name in f.binders), frozenset())

    def where(self, name: str, question: str = "") -> Definition | None:
        """Where a name is bound: by a definition rather than by an import, in the question's own file if it has one.

        `LeNet = None` of a starter that was handed in beside the work counts only where nothing else binds the name.
        """
        bound = [f for f in self._for(question) if name in f.binders]
        best = min(bound, key=lambda f: (f.is_left_open(name), f.definitions()[name].kind == "import"), default=None)
        return best.definitions()[name] if best else None

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
        parts = [part(f, wanted[f.file]) for f in self.flows if f.file in wanted]
        return piece(parts, found, tuple(missing))

    def whole(self, file: str = "") -> Piece:
        """Every statement of a file (the main one unless named) but those under the main guard, for a second try."""
        flow = next((f for f in self.flows if f.file == file), self.flows[0])
        units = [u for u in flow.units if not u.statement.guarded]
        found = dict.fromkeys(flow.definitions(), flow.file)
        return piece([Part(flow, units)], found, ())

    def demonstrations(self, question: str = "") -> Piece:
        """Every statement that does not train, read data or the like, those under the main guard included.

        Of the question's own file alone, where there is one.
        """
        flows = self._for(question)[:1] if self.has_file_of(question) else self.flows
        return piece([Part(f, [u for u in f.units if not f.reasons[u.index]]) for f in flows], {}, ())

    @cached_property
    def opened(self) -> Book | None:
        """The same with all functions opened (opening.py): what they bind inside can be found. None where none is."""
        inner = [opened(f) for f in self.flows]
        return Book([i or f for i, f in zip(inner, self.flows, strict=True)]) if any(inner) else None

    def called(self, pattern: str) -> dict[str, str]:
        """The names that the submission chooses by a string which matches a pattern in full, ignoring case; with it."""
        return {name: label for label, name in self._labels if re.fullmatch(pattern, label, re.IGNORECASE)}

    @cached_property
    def _labels(self) -> tuple[tuple[str, str], ...]:
        return tuple(dict.fromkeys(pair for f in self.flows for u in f.units for pair in labels.labels(u.node)))

    @cached_property
    def hides_names(self) -> bool:
        """Whether names may be bound in ways that reading cannot see: `exec`, `globals()["x"] = ...`."""
        nodes = (n for f in self.flows for u in f.units for n in ast.walk(u.node))
        return any(isinstance(n, ast.Name) and n.id in ("exec", "globals", "vars", "locals") for n in nodes)

    @cached_property
    def declared(self) -> dict[str, Own]:
        """The values of settings that stand somewhere in the submission, run or not."""
        return declared(u.statement for f in self.flows for u in f.units)

    @cached_property
    def parts(self) -> frozenset[str]:
        """What some network is made of."""
        return frozenset(name for f in self.flows for name in candidates.parts(f))

    def inside(self, pattern: re.Pattern[str], rivals: re.Pattern[str] | None = None) -> tuple[str, str, Place] | None:
        """(name, function, place) of the first matching name that is bound within a function, out of reach.

        What calls one of the `rivals` does not count.
        """
        for flow in self.flows:
            for unit in flow.units:
                if isinstance(unit.node, ast.FunctionDef):
                    for node in ast.walk(unit.node):
                        name, line = _bound_by(node)
                        if node is unit.node or not pattern.fullmatch(name):
                            continue
                        called = effects.called_to_bind(node) if isinstance(node, ast.stmt) else ()
                        if not rivals or not any(map(rivals.fullmatch, called)):
                            return name, unit.node.name, Place(flow.file, unit.statement.place.cell, line)
        return None

    def explanation(self, name: str, headings: Sequence[str] = ()) -> str | None:
        """A text: the string bound to the name, else the Markdown under the headings that match one of the patterns."""
        for flow in self.flows:
            if (text := explanations.string(flow, name)).strip():
                return text.strip()
        for flow in self.flows:
            sections = explanations.sections(flow.source, [re.compile(h, re.IGNORECASE) for h in headings])
            if sections:
                return "\n\n".join(dict.fromkeys(sections))
        return None

    def space(self, file: str) -> ModuleType:
        """A fresh namespace for the blocks of a file."""
        module = ModuleType(re.sub(r"\W", "_", file.rpartition(".")[0]) or "submission")
        module.__file__ = file
        return module


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
    return Book([Flow(s) for s in sources], problems)


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


def _bound_by(node: ast.AST) -> tuple[str, int]:
    """The name that a class statement, or an assignment of a call, binds, and the line; "" for anything else."""
    if isinstance(node, ast.ClassDef):
        return node.name, node.lineno
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id, node.lineno
    return "", 0
