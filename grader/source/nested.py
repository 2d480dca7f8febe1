"""Classes that are defined within a function, where nothing outside reaches them. Standard library only.

A script that does everything in `main()` defines its network there too. Such a class means the same at the top level if
it uses no variable of the function; what the function imports comes along.
"""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterator

Import = ast.Import | ast.ImportFrom


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
