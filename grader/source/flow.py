"""The statements of one file, and the backward slice of some of its names. Runs beside student code: standard library.

Theory of operation. To have a name, take the statement that binds it last, the conditional ones after that, those that
change the object in place, and in turn everything that these read. What a statement reads when it runs is looked up
among the statements before it; what its functions read is looked up where they are called and at the end. A notebook
that binds a name twice thus gives what running it from top to bottom would have given.

Statements that train, read data or draw ("it trains or tests", see effects.py) are never taken for the sake of a change
in place, nor for a name that only a function's body mentions. When a kept statement needs one to run, it is taken.
"""

from __future__ import annotations
import __future__ as future

import ast
import builtins
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from grader.source import effects, reasons, scope
from grader.source.files import PARSER_FAULTS, Place, Remark, Source, Statement
from grader.source.scope import Kind, Unit

END = sys.maxsize
VISITS = 20_000  # of one slice; beyond it positions are no longer told apart, which keeps it linear
BUILTINS = frozenset(dir(builtins)) | {"__file__", "__name__"}


@dataclass(frozen=True)
class Definition:
    """A top-level name, with the place that binds it last. `package`: what it is imported from, if it is.

    `within`: the function that was opened to find it, "" for none.
    """

    name: str
    kind: Kind
    place: Place
    package: str = ""
    within: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.kind}, {self.place})"


class Need(NamedTuple):
    """A name that must have its value at a position. `mentioned`: only a function's body reads it."""

    name: str
    position: int
    mentioned: bool


class Flow:
    """The statements of one file, with who binds and who changes what."""

    def __init__(self, read: Source) -> None:
        self.source = read
        self.problems = list(read.problems)
        self.units: list[Unit] = []
        self.flags = 0
        own = frozenset(s.node.name for s in read.statements if isinstance(s.node, effects.Function))
        for statement in read.statements:
            try:
                self.units.append(scope.analyse(len(self.units), _rooted(statement), own))
            except PARSER_FAULTS as e:
                self.problems.append(Remark(statement.place, f"{e.args[0] if e.args else e}; it was left out."))
            self.flags |= _future(statement.node)
        self._complete_calls()
        self.reasons = reasons.of_statements(self.units)
        self.binders = self._by_name(lambda unit: unit.binds)
        self.changers = self._by_name(lambda unit: () if self.reasons[unit.index] else unit.mutates)
        self.stars = [u.index for u in self.units if u.star]
        last = {name: self.units[places[-1]] for name, places in self.binders.items()}
        self._definitions = {
            name: Definition(name, u.binds[name], u.statement.place, u.package, u.statement.within)
            for name, u in last.items()
        }

    @property
    def file(self) -> str:
        """The file's name."""
        return self.source.file

    def _complete_calls(self) -> None:
        """What a call of one of the file's own functions binds or changes, now that all of these are known."""
        functions = {u.node.name: u for u in self.units if isinstance(u.node, effects.Function)}
        if not any(f.sets or f.alters for f in functions.values()):
            return
        for i, unit in enumerate(self.units):
            sets = {n for c in unit.calls & functions.keys() for n in functions[c].sets}
            altered = {name for function, name in unit.handed if function in functions and functions[function].alters}
            if sets or altered:
                bound: dict[str, Kind] = {**dict.fromkeys(sets, "assignment"), **unit.binds}
                conditional = unit.conditional or bool(sets)
                self.units[i] = replace(unit, binds=bound, conditional=conditional, mutates=unit.mutates | altered)

    def definitions(self) -> Mapping[str, Definition]:
        """Every top-level name with its last binding, in the order of the first."""
        return self._definitions

    def is_left_open(self, name: str) -> bool:
        """Whether a name that the file binds is None or `...` in the end, as in a starter."""
        return self.units[self.binders[name][-1]].is_open

    def _by_name(self, names: Callable[[Unit], Iterable[str]]) -> dict[str, list[int]]:
        """The statements in order for each name; those under the main guard only where nothing else binds the name."""
        free = {name for unit in self.units if not unit.statement.guarded for name in unit.binds}
        found: dict[str, list[int]] = {}
        for unit in self.units:
            for name in names(unit):
                if not unit.statement.guarded or name not in free:
                    found.setdefault(name, []).append(unit.index)
        return found

    def resolve(self, name: str, before: int) -> list[Unit]:
        """The statements that give a name its value at a position: its last binding, and what builds on that."""
        places = self.binders.get(name, [])
        chosen: list[int] = []
        for index in reversed(places[: bisect_left(places, before)] or places):
            chosen.append(index)
            if not self.units[index].conditional:
                break
        if not chosen:
            return [] if name in BUILTINS else [self.units[i] for i in self.stars]
        if not all(self.units[i].is_import for i in chosen):
            last = chosen[-1]
            chosen += self._changes(name, last, before) + self._changes_of_another(last, before)
        return [self.units[i] for i in chosen]

    def _changes(self, name: str, after: int, before: int) -> list[int]:
        """The statements between two that change what a name is bound to."""
        changes = self.changers.get(name, [])
        return changes[bisect_right(changes, after) : bisect_left(changes, before)]

    def _changes_of_another(self, index: int, before: int) -> list[int]:
        """After `cfg = other`, what changes `other` changes `cfg`, until that is bound anew."""
        node = self.units[index].node
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Name):
            return []
        places = self.binders.get(node.value.id, [])
        until = next(iter(places[bisect_right(places, index) :]), before)
        return self._changes(node.value.id, index, min(until, before))

    def slice(self, names: Iterable[str]) -> tuple[list[Unit], dict[int, Remark]]:
        """The statements that the names need, in order, and those left out although a function mentions their names."""
        kept: set[int] = set()
        mentioned: dict[int, Remark] = {}
        seen: set[Need] = set()
        pending = [Need(name, END, mentioned=False) for name in names]
        while pending:
            need = pending.pop()
            if need in seen:
                continue
            seen.add(need)
            for unit in self.resolve(need.name, need.position):
                if need.mentioned and self._is_effort(unit, need.name):
                    mentioned.setdefault(unit.index, self._left_out(unit, need.name))
                    continue
                if unit.index not in kept:
                    kept.add(unit.index)
                    pending += _needs(unit)
                if unit.later:
                    pending += _needs_when_called(unit, need.position if len(seen) < VISITS else END)
        kept |= self._seeds(kept)
        return [self.units[i] for i in sorted(kept)], {i: r for i, r in mentioned.items() if i not in kept}

    def _is_effort(self, unit: Unit, name: str) -> bool:
        """Whether binding the name trains, reads data or the like; defining a function or class never does."""
        return bool(self.reasons[unit.index]) and unit.binds.get(name, "assignment") == "assignment"

    def _left_out(self, unit: Unit, name: str) -> Remark:
        return left_out(unit, f"{self.reasons[unit.index]}, although a function mentions {name}")

    def _seeds(self, kept: set[int]) -> set[int]:
        """Calls that seed a generator before something kept that may draw from it, with the constants they read."""
        last = max((i for i in kept if not self.units[i].is_definition), default=-1)
        found: set[int] = set()
        for unit in self.units[: max(last, 0)]:
            names = scope.seeds(unit)
            if names is None or unit.statement.guarded:
                continue
            needed = [u for name in names for u in self.resolve(name, unit.index)]
            if all(u.is_import or u.is_literal for u in needed):
                found |= {unit.index, *(u.index for u in needed)}
        return found

    def definition_names(self) -> list[str]:
        """The names that importing this file should give: functions, classes, and what is bound without effort."""
        light = (n for u in self.units if not self.reasons[u.index] and not u.is_import for n in u.binds)
        defined = (n for u in self.units for n, kind in u.binds.items() if kind in ("class", "function"))
        return list(dict.fromkeys([*defined, *light]))

    def called_for(self, name: str) -> frozenset[str]:
        """The parts of what is called to bind a name last: models and efficientnet_b0 of `models.efficientnet_b0()`.

        `net = net.cuda()` builds on the binding before.
        """
        called: set[str] = set()
        for index in reversed(self.binders.get(name, [])):
            called |= effects.called_to_bind(self.units[index].node)
            if name not in self.units[index].now:
                break
        return frozenset(called)


def left_out(unit: Unit, reason: str) -> Remark:
    """The sentence for a statement that is not run."""
    return Remark(unit.statement.place, f"left out, because {reason}: {unit.statement.snippet}")


def _needs(unit: Unit) -> list[Need]:
    """What a kept statement reads by the time it runs, and its functions in the end."""
    now = [Need(name, unit.index, mentioned=False) for name in sorted(unit.now)]
    return now + _needs_when_called(unit, END)


def _needs_when_called(unit: Unit, position: int) -> list[Need]:
    """What the statement's functions read when something at a position calls them."""
    return [Need(name, position, mentioned=True) for name in sorted(unit.later)]


def _rooted(statement: Statement) -> Statement:
    """A relative import as an absolute one: the folder that was handed in is where imports start."""
    node = statement.node
    if not isinstance(node, ast.ImportFrom) or not node.level:
        return statement
    folder = statement.place.file.split("/")[:-1]
    base = folder[: max(len(folder) - (node.level - 1), 0)]
    module = ".".join([*base, *([node.module] if node.module else [])])
    absolute: ast.stmt = ast.ImportFrom(module, node.names, 0) if module else ast.Import(node.names)
    return replace(statement, node=ast.copy_location(absolute, node))


def _future(node: ast.stmt) -> int:
    """The compiler flags of `from __future__ import ...`."""
    if not isinstance(node, ast.ImportFrom) or node.module != "__future__":
        return 0
    known = [alias.name for alias in node.names if alias.name in future.all_feature_names]
    return sum(getattr(future, name).compiler_flag for name in known)
