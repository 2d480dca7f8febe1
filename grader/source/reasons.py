"""Why a statement is nothing to run without need: what it sets off, itself or through what it calls or reads.

Runs beside student code: standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence

from grader.source.effects import Function
from grader.source.scope import Unit


def of_functions(units: Sequence[Unit]) -> dict[str, str]:
    """What calling each of the file's functions sets off, by itself or through others before it; "" for nothing."""
    functions: dict[str, str] = {}
    for unit in units:
        if isinstance(unit.node, Function):
            inner = (functions[c] for c in sorted(unit.body_calls) if functions.get(c))
            functions[unit.node.name] = unit.body_effect or next(inner, "")
    return functions


def of_statements(units: Sequence[Unit]) -> list[str]:
    """Why each statement is nothing to run without need; "" for one that only builds.

    A statement is tainted by what it calls, by the functions of the file that it calls, and by tainted variables.
    """
    functions = of_functions(units)
    found: list[str] = []
    variables: dict[str, str] = {}
    for unit in units:
        called = (functions[c] for c in sorted(unit.calls) if functions.get(c))
        tainted = (f"it needs {n} ({variables[n]})" for n in sorted(unit.now) if n in variables)
        reason = unit.effect or next(called, "") or next(tainted, "")
        found.append(reason)
        for name in unit.binds:
            if reason:
                variables.setdefault(name, reason.rpartition("(")[2].rstrip(")"))
            elif not unit.conditional:
                variables.pop(name, None)
    return found
