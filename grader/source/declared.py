"""Settings that a submission gives values where they are not run: a parser's defaults in main(). Standard library only.

Such a value says what its author means, and is true of the program as its author runs it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import Any

from grader.source import effects
from grader.source.settings import Own, holds_settings, plain
from grader.source.statements import Place, Statement

TYPES = {"int": int, "float": float, "str": str}
SWITCHES = {"store_true": False, "store_false": True}

Pair = tuple[str, ast.expr | None]


def declared(statements: Iterable[Statement]) -> dict[str, Own]:
    """The literal values of settings in the statements and within them, by the setting's plain name.

    What is assigned goes before a parser's default.
    """
    defaults: dict[str, Own] = {}
    assigned: dict[str, Own] = {}
    for statement in statements:
        for node in ast.walk(statement.node):
            found = assigned if isinstance(node, ast.Assign) else defaults
            for name, value in _given(node):
                place = Place(statement.place.file, statement.place.cell, getattr(node, "lineno", 1))
                found.setdefault(plain(name), Own(value, str(place)))
    return {**defaults, **assigned}


def _given(node: ast.AST) -> Iterator[tuple[str, Any]]:
    """(setting, value) for each literal value that a node itself gives."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr == "add_argument":
            yield from _of_argument(node)
        elif node.func.attr == "set_defaults":
            yield from _literal((k.arg or "", k.value) for k in node.keywords)
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _literal(_assigned(target, node.value))


def _assigned(target: ast.expr, value: ast.expr) -> Iterator[Pair]:
    """What an assignment sets: `args.hidden = 120`, `cfg["hidden"] = 120`, `cfg = dict(hidden=120)`."""
    if isinstance(target, ast.Name) and holds_settings(target.id):
        if isinstance(value, ast.Call):
            yield from ((k.arg or "", k.value) for k in value.keywords)
        elif isinstance(value, ast.Dict):
            yield from ((_text(key), v) for key, v in zip(value.keys, value.values, strict=True))
    elif isinstance(target, ast.Attribute) and _is_holder(target.value):
        yield target.attr, value
    elif isinstance(target, ast.Subscript) and _is_holder(target.value):
        yield _text(target.slice), value


def _is_holder(node: ast.expr) -> bool:
    return any(map(holds_settings, effects.dotted(node).split(".")))


def _of_argument(call: ast.Call) -> Iterator[tuple[str, Any]]:
    """The default of `parser.add_argument("--hidden", type=int, default=120)`."""
    given = {k.arg: k.value for k in call.keywords}
    options = [text for text in map(_text, call.args) if text]
    name = _text(given.get("dest")) or next((o for o in options if o.startswith("--")), next(iter(options), ""))
    if "default" in given:
        for _, value in _literal([(name, given["default"])]):
            yield name, _as_type(value, given.get("type"))
    elif (action := _text(given.get("action"))) in SWITCHES:
        yield name, SWITCHES[action]


def _as_type(value: Any, kind: ast.expr | None) -> Any:
    """As the parser would read a default that is a string."""
    wanted = TYPES.get(kind.id) if isinstance(kind, ast.Name) else None
    if wanted is None or not isinstance(value, str):
        return value
    try:
        return wanted(value)
    except ValueError:
        return value


def _literal(pairs: Iterable[Pair]) -> Iterator[tuple[str, Any]]:
    """Those of the pairs that have a name and a literal value."""
    for name, node in pairs:
        if name and node is not None:
            try:
                value = ast.literal_eval(node)
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                continue
            yield name, value


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
