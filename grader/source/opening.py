"""A file with its functions opened: what they bind inside is read as if it stood outside. Standard library only.

Where a whole script is `main()`, or a class trains its own `self.net`, nothing outside reaches the answer. Opened, each
statement of a function stands at the end of the file and counts only where nothing else binds its names; what it needs
of the function is sliced with it as for any other name. A network's own methods stay closed: its layers are no answers.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from grader.source import nested
from grader.source.candidates import candidates
from grader.source.cells import first_line
from grader.source.files import PARSER_FAULTS, Place, Statement
from grader.source.flow import Flow
from grader.source.scope import Unit

MOST_STATEMENTS = 2_000  # opened of one file


def opened(flow: Flow) -> Flow | None:
    """The file with its functions opened; None where nothing is in them."""
    networks = {c.name for c in candidates(flow) if c.kind == "module"}
    inside = [s for unit in flow.units for s in _inside(unit, networks)][:MOST_STATEMENTS]
    return Flow(replace(flow.source, statements=(*flow.source.statements, *inside), problems=())) if inside else None


def _inside(unit: Unit, networks: set[str]) -> Iterator[Statement]:
    """The statements within a function, or within the methods of a class that is no network."""
    node, place = unit.node, unit.statement.place
    if isinstance(node, ast.FunctionDef):
        yield from _statements(place, node, node.name)
    elif isinstance(node, ast.ClassDef) and node.name not in networks:
        for member in node.body:  # before what its methods do, which may use them
            yield from _member(place, member, f"class {node.name}")
        for member in node.body:
            if isinstance(member, ast.FunctionDef):
                yield from _statements(place, member, f"{node.name}.{member.name}", method=True)


def _member(place: Place, member: ast.stmt, within: str) -> Iterator[Statement]:
    """What a class itself binds: `conv = nn.Conv2d(...)`, classes within it, and its methods as functions."""
    try:
        node = nested.unbound(member) if isinstance(member, ast.FunctionDef) else member
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign):
            there = Place(place.file, place.cell, first_line(member))
            yield Statement(there, node, ast.unparse(node), guarded=True, within=within)
    except PARSER_FAULTS:
        return


def _statements(place: Place, function: ast.FunctionDef, within: str, *, method: bool = False) -> Iterator[Statement]:
    try:
        for node in nested.opened(function, method=method):
            there = Place(place.file, place.cell, first_line(node))
            yield Statement(there, node, ast.unparse(node), guarded=True, within=within)
    except PARSER_FAULTS:
        return
