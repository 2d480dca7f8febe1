"""What of a file might be an answer under another name, or makes one. Runs beside student code: standard library."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Literal

from grader.source import reasons
from grader.source.effects import Function, dotted
from grader.source.flow import Flow

ORDER = ("module", "class", "function", "object")


@dataclass(frozen=True)
class Candidate:
    """Something that might be an answer under another name. "module": a class that derives from an nn.Module.

    `effect`: what calling it sets off, if it is a function; "" for nothing of note.
    """

    name: str
    kind: Literal["module", "class", "function", "object"]
    file: str
    effect: str = ""


def candidates(flow: Flow) -> list[Candidate]:
    """Classes, functions and objects that might be answers, in this order and then in the file's."""
    modules: set[str] = set()
    found: list[Candidate] = []
    effects = reasons.of_functions(flow.units)
    for name, definition in flow.definitions().items():
        unit = flow.units[flow.binders[name][-1]]
        if isinstance(unit.node, ast.ClassDef):
            bases = {dotted(b) for b in unit.node.bases}
            if modules & bases or any(b.endswith(("Module", "Sequential")) for b in bases):
                modules.add(name)
            found.append(Candidate(name, "module" if name in modules else "class", flow.file))
        elif definition.kind == "function":
            found.append(Candidate(name, "function", flow.file, effects.get(name, "")))
        elif definition.kind == "assignment" and not flow.reasons[unit.index] and not unit.is_literal:
            found.append(Candidate(name, "object", flow.file))
    return sorted(found, key=lambda c: ORDER.index(c.kind))


def made_with(flow: Flow, name: str) -> list[Candidate]:
    """The functions and objects that are made by calling a name, through other functions too; none that trains."""
    makers = {name}
    effects = reasons.of_functions(flow.units)
    functions = [u for u in flow.units if isinstance(u.node, Function) and not effects[u.node.name]]
    for _ in functions:
        makers |= {next(iter(u.binds)) for u in functions if u.body_calls & makers}
    objects = [u for u in flow.units if u.calls & makers and not flow.reasons[u.index]]
    named: list[tuple[str, Literal["function", "object"]]] = [
        *((n, "function") for u in functions for n in u.binds if n in makers - {name}),
        *((n, "object") for u in objects for n, kind in u.binds.items() if kind == "assignment"),
    ]
    return [Candidate(n, kind, flow.file) for n, kind in dict.fromkeys(named)]


def parts(flow: Flow) -> frozenset[str]:
    """What the file's networks mention, or derive from: their parts, which are no networks of their own."""
    networks = {c.name for c in candidates(flow) if c.kind == "module"}
    mentions = [(u.later | u.now) - u.binds.keys() for u in flow.units if u.binds.keys() & networks]
    return frozenset(name for names in mentions for name in names)
