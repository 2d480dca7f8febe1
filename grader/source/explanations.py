"""The texts that a student wrote: a string under a name, or Markdown under a heading. Standard library only."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from grader.source.files import Source
from grader.source.flow import Flow

HEADING = re.compile(r"[ ]{0,3}(#{1,6})[ \t]+(.*?)[ \t#]*$|[ ]{0,3}(\*\*|__)(.{1,300}?)\3[ \t]*[:\uff1a]?[ \t]*$")
BOLD = 7
FENCE = re.compile(r"[ ]{0,3}(```|~~~)")


def string(flow: Flow, name: str) -> str:
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


def sections(read: Source, patterns: Sequence[re.Pattern[str]]) -> list[str]:
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
