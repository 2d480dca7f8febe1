"""The sentences of a module, read from its source: what a student may be shown, with something in each field."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

FILLED = "7"  # a number, and a word
FIELD = re.compile(r"\{\w+\}")  # of a text that is formatted later
FOR_OTHERS = frozenset(
    "UsageError AssignmentError DataError SandboxUnavailable WorkerLost ValueError TypeError RuntimeError ImportError "
    "compile split search fullmatch frozenset".split()
)
"""Calls whose texts are the instructor's or nobody's."""


def said(path: Path) -> Iterator[str]:
    """Each text of at least three words that is no docstring and is handed to none of FOR_OTHERS."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    left_out = set(_left_out(tree))
    for node in ast.walk(tree):
        if node in left_out or not isinstance(node, ast.Constant | ast.JoinedStr):
            continue
        for text in dict.fromkeys((_text(node, first=True), _text(node, first=False))):
            if text.strip().count(" ") > 1 and any(c.isalpha() for c in text):
                yield text


def _left_out(tree: ast.Module) -> Iterator[ast.AST]:
    """Docstrings, what is for others, and the parts of f-strings, which are read with the whole."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
        elif isinstance(node, ast.Call) and _name(node.func) in FOR_OTHERS:
            yield from ast.walk(node)
        elif isinstance(node, ast.JoinedStr):
            yield from (inner for part in node.values for inner in ast.walk(part))


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _text(node: ast.AST, *, first: bool) -> str:
    """The text, with the first or the second of each `a if b else c` inside, and FILLED for what is not known."""
    match node:
        case ast.Constant(value=str(text)):
            return FIELD.sub(FILLED, text)
        case ast.JoinedStr(values=values):
            return "".join(_text(value, first=first) for value in values)
        case ast.FormattedValue(value=ast.IfExp(body=body, orelse=orelse)):
            return _text(body if first else orelse, first=first)
        case ast.FormattedValue(value=ast.Constant(value=str(text))):
            return text
    return FILLED
