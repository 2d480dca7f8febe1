"""What stands within a function, where nothing outside reaches it. Standard library only.

A script that does everything in `main()` defines its network there too. Such a class means the same at the top level if
it uses no variable of the function; what the function imports comes along. Where nothing else answers a question, the
whole function is opened: its statements are read as if they stood outside, one after another.
"""

from __future__ import annotations

import ast
import copy
import symtable
from collections.abc import Iterator

Import = ast.Import | ast.ImportFrom
OF_FUNCTIONS = (ast.Return, ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFor, ast.AsyncWith, ast.Global, ast.Nonlocal)
"""What may stand in a function alone."""


def liftable(function: ast.FunctionDef) -> list[ast.stmt]:
    """The classes of a function that use none of its variables, with its imports; [] without such a class.

    May raise what the parser raises for code that is out of proportion.
    """
    inside = list(_statements(function.body))
    classes = [s for s in inside if isinstance(s, ast.ClassDef)]
    if not classes:
        return []
    imports = [s for s in inside if isinstance(s, Import)]
    table = symtable.symtable(ast.unparse(function), "function", "exec").get_children()[0]
    known = {(a.asname or a.name).partition(".")[0] for s in imports for a in s.names} | {c.name for c in classes}
    free = [c for c in classes if not _borrowed(c, table) - known]
    return [*imports, *free] if free else []


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a body, those under `if`, `with` and `try` included; not what nested functions hold."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If | ast.With | ast.Try):
            yield from _statements(statement.body)


def _borrowed(node: ast.ClassDef, function: symtable.SymbolTable) -> set[str]:
    """The variables of the function that a class uses: in its first line, or within."""
    heads = [*node.bases, *(k.value for k in node.keywords), *node.decorator_list]
    named = {n.id for head in heads for n in ast.walk(head) if isinstance(n, ast.Name)}
    local = {name for name in named if function.lookup(name).is_local()}
    own = [t for t in function.get_children() if t.get_name() == node.name]
    return local | {name for table in own for name in _free(table)} - {"__class__"}


def _free(table: symtable.SymbolTable) -> set[str]:
    """The names that a scope, or one within it, takes from the function around it."""
    inner = {name for child in table.get_children() for name in _free(child)}
    mine = {s.get_name() for s in table.get_symbols() if s.is_free()}
    own = {s.get_name() for s in table.get_symbols() if s.is_local()} if table.get_type() == "function" else set()
    return mine | (inner - own)


# ----------------------------------------------------------------------------------------------------------- opening


def opened(function: ast.FunctionDef, *, method: bool = False) -> list[ast.stmt]:
    """What a function does, as statements that stand outside: its defaults, and what it binds and calls.

    In a method `self.net` is read as `net`. What only a function may hold (return, yield) is left out with the
    statement that holds it. May raise what the parser raises for code that is out of proportion.
    """
    itself = function.args.args[0].arg if method and function.args.args else ""
    found = [*_defaults(function), *(s for s in _straight(function.body) if _may_stand_outside(s))]
    bare = [_Bare(itself).visit(copy.deepcopy(s)) for s in found] if itself else found
    return [s for s in bare if not _says_nothing(s)]


def unbound(method: ast.FunctionDef) -> ast.FunctionDef | None:
    """A method as a function that stands outside, with `self.net` read as `net`; None for `__init__` and the like."""
    if method.name.startswith("__"):
        return None
    decorated = {d.id for d in method.decorator_list if isinstance(d, ast.Name)}
    function = copy.deepcopy(method)
    function.decorator_list = []
    if "staticmethod" in decorated or not function.args.args:
        return function
    itself = function.args.args.pop(0).arg
    function.args.defaults = function.args.defaults[-len(function.args.args) :] if function.args.args else []
    function.body = [_Bare(itself).visit(s) for s in function.body]
    return function


def _defaults(function: ast.FunctionDef) -> Iterator[ast.stmt]:
    """`lr = 0.1` for each parameter with a default."""
    given = function.args
    positional = [*given.posonlyargs, *given.args][-len(given.defaults) :] if given.defaults else []
    parameters, values = [*positional, *given.kwonlyargs], [*given.defaults, *given.kw_defaults]
    for parameter, value in zip(parameters, values, strict=True):
        if value is not None:
            made = ast.Assign([ast.Name(parameter.arg, ast.Store())], value)
            yield ast.fix_missing_locations(ast.copy_location(made, value))


def _straight(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a body, those under `with` and `try` in place of these."""
    for statement in body:
        if isinstance(statement, ast.With | ast.Try):
            yield from _straight(statement.body)
        else:
            yield statement


def _may_stand_outside(statement: ast.stmt) -> bool:
    return not any(isinstance(n, OF_FUNCTIONS) for n in _own(statement))


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """The node and what is below it, but for what the functions and classes within hold."""
    yield node
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from _own(child)


def _says_nothing(statement: ast.stmt) -> bool:
    """Whether it is `net = net`, which `self.net = net` becomes."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Name):
        return False
    return statement.value.id in {t.id for t in statement.targets if isinstance(t, ast.Name)}


class _Bare(ast.NodeTransformer):
    """Takes the object off its attributes: `self.net` becomes `net`."""

    def __init__(self, itself: str) -> None:
        self._itself = itself

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """An attribute of the object by its name alone, any other as it is."""
        if isinstance(node.value, ast.Name) and node.value.id == self._itself:
            return ast.copy_location(ast.Name(node.attr, node.ctx), node)
        self.generic_visit(node)
        return node
