"""What a submission calls its networks where it chooses one by a string: `if name == "lenet": net = Five()`.

Standard library only.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

Pair = tuple[str, str]


def labels(node: ast.AST) -> Iterator[Pair]:
    """(string, name) for each choice of what a name is bound to by a string, in a statement and within it."""
    for part in ast.walk(node):
        if isinstance(part, ast.Dict):
            for key, value in zip(part.keys, part.values, strict=True):
                yield from _pairs(key, [value])
        elif isinstance(part, ast.If):
            yield from _pairs(part.test, part.body)
        elif isinstance(part, ast.IfExp):
            yield from _pairs(part.test, [part.body])
        elif isinstance(part, ast.match_case):
            yield from _pairs(part.pattern, part.body)
        elif isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Subscript):
            yield from _pairs(part.targets[0].slice, [part.value])
        elif isinstance(part, ast.ClassDef | ast.FunctionDef):
            yield from ((text, part.name) for decorator in part.decorator_list for text in _texts(decorator))


def _pairs(condition: ast.AST | None, chosen: list[ast.stmt] | list[ast.expr]) -> Iterator[Pair]:
    """Each string of a condition with each name that is given or called where it holds."""
    texts = _texts(condition) if condition else []
    if texts:
        names = {name for node in chosen for name in _given(node)}
        yield from ((text, name) for text in texts for name in sorted(names))


def _texts(node: ast.AST) -> list[str]:
    return [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def _given(node: ast.AST) -> Iterator[str]:
    """The names that a value is, or that are called in it, not those of other branches below it."""
    value = getattr(node, "value", None) if isinstance(node, ast.Assign | ast.Return | ast.Expr) else node
    if isinstance(value, ast.Name):
        yield value.id
    elif isinstance(value, ast.Call | ast.Lambda):
        yield from (n.func.id for n in ast.walk(value) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name))
