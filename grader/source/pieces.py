"""Chosen statements -> code to run, with sentences on what was kept and what was not. Standard library only."""

from __future__ import annotations

import ast
import linecache
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import CodeType

from grader.source import effects
from grader.source.files import PARSER_FAULTS, Place, Remark, Source
from grader.source.flow import BUILTINS, Flow, left_out
from grader.source.scope import Unit


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

    `problems` name statements that were wanted and do not compile. Of the names that are read and that nothing here
    binds, by space: `left` are those that a statement binds which is left out, `unbound` those that none binds.
    """

    blocks: tuple[Block, ...]
    found: dict[str, str]
    missing: tuple[str, ...]
    kept: tuple[str, ...]
    dropped: tuple[str, ...]
    problems: tuple[str, ...]
    left: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unbound: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """What was chosen of one file."""

    flow: Flow
    units: list[Unit]
    mentioned: dict[int, Remark] = field(default_factory=dict)

    def lacking(self, *, bound: bool) -> tuple[str, ...]:
        """The names that it reads and does not bind, and that another statement of the file binds or not."""
        read = {name for u in self.units for name in (*u.now, *u.later)}
        lacks = read - {name for u in self.units for name in u.binds} - BUILTINS
        return tuple(sorted(name for name in lacks if (name in self.flow.binders) == bound))


def part(flow: Flow, names: Sequence[str]) -> Part:
    """What some names of a file need."""
    return Part(flow, *flow.slice(names))


def piece(parts: Sequence[Part], found: dict[str, str], missing: tuple[str, ...]) -> Piece:
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
        left={p.flow.file: p.lacking(bound=True) for p in parts},
        unbound={p.flow.file: p.lacking(bound=False) for p in parts},
    )


def _dropped(part: Part) -> Iterator[str]:
    """A sentence for each statement that is not run; texts that stand alone are not worth one."""
    kept = {u.index for u in part.units}
    for unit in part.flow.units:
        node = unit.node
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if unit.index in kept or is_text or isinstance(node, ast.Pass):
            continue
        only_prints = isinstance(node, ast.Expr) and effects.root(node.value) == "print"
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
