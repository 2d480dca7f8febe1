"""What one top-level statement binds, reads, changes and sets off. Runs beside student code: standard library only.

Names come from symtable, which knows Python's scopes exactly: `now` are the names that running the statement reads,
`later` those that its functions read when they are called. What it sets off and changes: effects.py.
"""

from __future__ import annotations

import ast
import symtable
from dataclasses import dataclass, field
from typing import Literal

from grader.source import effects
from grader.source.effects import Function
from grader.source.files import Statement

Kind = Literal["class", "function", "assignment", "import"]
COMPREHENSIONS = frozenset({"listcomp", "setcomp", "dictcomp", "genexpr"})

SEEDS = frozenset({"manual_seed", "seed", "seed_everything", "set_seed"})


@dataclass(frozen=True)
class Unit:
    """One statement with its names. `index` is its position in its file.

    `conditional`: it may leave an earlier binding in force. `star`: the module of `from module import *`. `calls`: the
    bare names that it calls. `sets`: the globals that its functions assign. `handed`: (function, name) for each name
    handed to a bare function in a call made for its effect. `effect`: what running it sets off, "" if nothing of note;
    `body_effect` and `body_calls`: the same for calling the function that it defines. `alters`: that function changes
    what it is given.
    """

    index: int
    statement: Statement
    binds: dict[str, Kind]
    now: frozenset[str]
    later: frozenset[str]
    conditional: bool = False
    star: str = ""
    mutates: frozenset[str] = frozenset()
    calls: frozenset[str] = frozenset()
    sets: frozenset[str] = frozenset()
    handed: frozenset[tuple[str, str]] = frozenset()
    effect: str = ""
    body_effect: str = ""
    body_calls: frozenset[str] = field(default=frozenset(), repr=False)
    alters: bool = False

    @property
    def node(self) -> ast.stmt:
        """The parsed statement."""
        return self.statement.node

    @property
    def is_import(self) -> bool:
        """Whether it is nothing but an import."""
        return isinstance(self.node, ast.Import | ast.ImportFrom)

    @property
    def package(self) -> str:
        """What `from package.module import name` imports from; "" for another statement."""
        return (self.node.module or "").partition(".")[0] if isinstance(self.node, ast.ImportFrom) else ""

    @property
    def is_definition(self) -> bool:
        """Whether running it only defines: an import, a function, a class, a constant."""
        if isinstance(self.node, ast.Assign | ast.AnnAssign):
            return not self.calls and not any(isinstance(n, ast.Call) for n in ast.walk(self.node))
        return isinstance(self.node, ast.Import | ast.ImportFrom | ast.ClassDef | Function)

    @property
    def is_literal(self) -> bool:
        """Whether it binds a name to a constant (`SEED = 42`)."""
        return isinstance(self.node, ast.Assign) and isinstance(self.node.value, ast.Constant)

    @property
    def is_open(self) -> bool:
        """Whether it leaves a name for later (`LeNet = None`)."""
        value = self.node.value if isinstance(self.node, ast.Assign) else None
        return isinstance(value, ast.Constant) and value.value in (None, ...)


def analyse(index: int, statement: Statement, own: frozenset[str] = frozenset()) -> Unit:
    """The statement's names and effects. `own`: the file's own functions, whose names say nothing of what they set off.

    Raises one of `source.PARSER_FAULTS`.
    """
    node = statement.node
    table = symtable.symtable(statement.text, "statement", "exec")
    now, later, sets = _reads(table)
    executed = list(effects.executed(node))
    function = node if isinstance(node, Function) else None
    body = [n for part in function.body for n in ast.walk(part)] if function else []
    changed = set(effects.mutated(body))
    return Unit(
        index=index,
        statement=statement,
        binds=_binds(table, node, executed),
        now=now,
        later=later,
        conditional=_is_conditional(node),
        star=_star(node),
        mutates=frozenset(effects.mutated(executed)),
        calls=frozenset(effects.called(executed)),
        sets=sets,
        handed=frozenset(effects.handed(executed)),
        effect=effects.effect(executed, own),
        body_effect=effects.effect(body, own),
        body_calls=frozenset(effects.called(body)),
        alters=bool(changed) and any(isinstance(n, ast.arg) and n.arg in changed for n in ast.walk(node)),
    )


# ------------------------------------------------------------------------------------------------------------- names


def _reads(table: symtable.SymbolTable) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """The names read when the statement runs, those read when its functions run, and the globals these assign."""
    now = {s.get_name() for s in table.get_symbols() if s.is_referenced()}
    later: set[str] = set()
    sets: set[str] = set()
    pending = [(child, False) for child in table.get_children()]
    while pending:
        scope, deferred = pending.pop()
        deferred = deferred or (scope.get_type() == "function" and scope.get_name() not in COMPREHENSIONS)
        for symbol in scope.get_symbols():
            if symbol.is_global():
                (later if deferred else now).add(symbol.get_name())
                if symbol.is_declared_global() and symbol.is_assigned():
                    sets.add(symbol.get_name())
        pending += [(child, deferred) for child in scope.get_children()]
    return frozenset(now), frozenset(later), frozenset(sets)


def _binds(table: symtable.SymbolTable, node: ast.stmt, executed: list[ast.AST]) -> dict[str, Kind]:
    """The names that the statement binds, with what each becomes."""
    if isinstance(node, ast.Delete):
        return {}
    kinds: dict[str, Kind] = {}
    for part in executed:
        if isinstance(part, ast.ClassDef):
            kinds[part.name] = "class"
        elif isinstance(part, Function):
            kinds[part.name] = "function"
        elif isinstance(part, ast.alias):
            kinds[part.asname or part.name.partition(".")[0]] = "import"
    bound = [s for s in table.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()]
    return {s.get_name(): kinds.get(s.get_name(), "assignment") for s in bound if s.get_name() != "*"}


def _is_conditional(node: ast.stmt) -> bool:
    """Whether an earlier binding of the same name may stay in force: `import a.b` adds to `import a`, for one."""
    if isinstance(node, ast.Import):
        return any(alias.asname is None for alias in node.names)
    return isinstance(
        node, ast.If | ast.For | ast.AsyncFor | ast.While | ast.Try | ast.TryStar | ast.Match | ast.AugAssign
    )


def _star(node: ast.stmt) -> str:
    starred = isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
    return (node.module or "") if starred and isinstance(node, ast.ImportFrom) else ""


def seeds(unit: Unit) -> frozenset[str] | None:
    """The names that a call of a seeding function reads (`torch.manual_seed(SEED)`); None if it is no such call."""
    node = unit.node
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return None
    call = node.value
    simple = all(isinstance(a, ast.Constant | ast.Name) for a in call.args) and not call.keywords
    is_seed = (
        isinstance(call.func, ast.Attribute) and call.func.attr in SEEDS and "cuda" not in effects.dotted(call.func)
    )
    return unit.now if simple and is_seed else None
