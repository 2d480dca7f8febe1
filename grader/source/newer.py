"""Type parameters of Python 3.12, which an older one does not read -> the same line without. Standard library only.

Types decide nothing here: `def f[T](x: T)` is `def f(x: T)`, and `type Pair = tuple[int, int]` binds a name. Characters
are replaced by spaces, so that columns stay the student's own.
"""

from __future__ import annotations

import ast
import re

PARAMETERS = re.compile(r"(?P<head>\s*(?:async\s+def|def|class)\s+\w+\s*)(?P<types>\[[^()]*\])(?=\s*[(:])")
ALIAS = re.compile(r"(?P<indent>\s*)type\s+(?P<name>\w+)(?P<types>\[[^=]*\])?(?=\s*=[^=])")


def older(line: str) -> tuple[str, frozenset[str]]:
    """The line without type parameters, and their names; the line as it is where it has none."""
    if found := PARAMETERS.match(line):
        return found["head"] + " " * len(found["types"]) + line[found.end() :], _names(found["types"])
    if found := ALIAS.match(line):
        bound = found["indent"] + found["name"]
        return bound + " " * (found.end() - len(bound)) + line[found.end() :], _names(found["types"] or "")
    return line, frozenset()


def _names(types: str) -> frozenset[str]:
    """T and Ts of `[T: nn.Module, *Ts = int]`."""
    return frozenset(re.findall(r"(?:^\[|,)\s*\*{0,2}(\w+)", types))


class Unevaluated(ast.NodeTransformer):
    """Makes strings of the annotations that name a type parameter, which nothing binds now."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def visit_arg(self, node: ast.arg) -> ast.arg:
        """A parameter's annotation."""
        node.annotation = self._as_text(node.annotation)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """What a function returns, and what is within it."""
        node.returns = self._as_text(node.returns)
        self.generic_visit(node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AnnAssign:
        """A variable's annotation."""
        node.annotation = self._as_text(node.annotation) or node.annotation
        return node

    def _as_text(self, annotation: ast.expr | None) -> ast.expr | None:
        if annotation is None or not {n.id for n in ast.walk(annotation) if isinstance(n, ast.Name)} & self._names:
            return annotation
        return ast.copy_location(ast.Constant(ast.unparse(annotation)), annotation)
