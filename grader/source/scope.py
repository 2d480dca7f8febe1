"""What one top-level statement binds, reads, changes and sets off. Runs beside student code: standard library only.

Names come from symtable, which knows Python's scopes exactly: `now` are the names that running the statement reads,
`later` those that its functions read when they are called. What it sets off (training, reading a data set, drawing)
is told from the names of what it calls: good enough to choose what to leave out, and never a judgement of its worth.
"""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from grader.source.files import Statement

Kind = Literal["class", "function", "assignment", "import"]
Function = ast.FunctionDef | ast.AsyncFunctionDef
COMPREHENSIONS = frozenset({"listcomp", "setcomp", "dictcomp", "genexpr"})

EFFECTS = {
    "it trains or tests": "backward step zero_grad fit fit_generator train_on_batch",
    "it reads a data set": "DataLoader CIFAR10 CIFAR100 MNIST FashionMNIST SVHN STL10 ImageFolder ImageNet "
    "load_data load_dataset random_split",
    "it draws": "make_grid show imshow plot savefig figure subplot subplots hist scatter bar plot_model heatmap",
    "it downloads": "urlretrieve urlopen download download_url download_and_extract_archive",
    "it asks for input": "input raw_input",
    "it stops the program": "exit quit _exit",
    "it reads or writes a file": "load load_state_dict save save_weights open read_csv to_csv imread makedirs mkdir",
    "it starts a program": "system popen Popen check_output check_call",
    "it needs Google Colab": "mount upload",
    "it waits": "sleep",
    "it only reports": "summary SummaryWriter add_scalar add_graph torchinfo display make_dot",
}
EFFECT_OF = {name: effect for effect, names in EFFECTS.items() for name in names.split()}

READING_METHODS = frozenset({"forward", "parameters", "named_parameters", "state_dict", "size", "numel", "item", "dim"})
"""Methods called for their result; without it they leave the object as it was."""

ALTERING_MODULES = frozenset({"init", "utils", "prune"})
"""nn.init.*, nn.utils.*, nn.utils.prune.*: functions that alter the module or tensor they are given."""

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


def analyse(index: int, statement: Statement, own: frozenset[str] = frozenset()) -> Unit:
    """The statement's names and effects. `own`: the file's own functions, whose names say nothing of what they set off.

    Raises one of `source.PARSER_FAULTS`.
    """
    node = statement.node
    table = symtable.symtable(statement.text, "statement", "exec")
    now, later, sets = _reads(table)
    executed = list(_executed(node))
    function = node if isinstance(node, Function) else None
    body = [n for part in function.body for n in ast.walk(part)] if function else []
    return Unit(
        index=index,
        statement=statement,
        binds=_binds(table, node, executed),
        now=now,
        later=later,
        conditional=_is_conditional(node),
        star=_star(node),
        mutates=frozenset(_mutated(executed)),
        calls=frozenset(_called(executed)),
        sets=sets,
        handed=frozenset(_handed(executed)),
        effect=_effect(executed, own),
        body_effect=_effect(body, own),
        body_calls=frozenset(_called(body)),
        alters=bool(function and set(_mutated(body)) & {a.arg for a in ast.walk(function) if isinstance(a, ast.arg)}),
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


# ----------------------------------------------------------------------------------------------------------- effects


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all below it that runs with it, in order: not the bodies of functions."""
    pending = [node]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, Function):
            inside: list[ast.AST] = [
                *node.decorator_list,
                *node.args.defaults,
                *(d for d in node.args.kw_defaults if d),
            ]
        elif isinstance(node, ast.Lambda):
            inside = []
        else:
            inside = list(ast.iter_child_nodes(node))
        pending += reversed(inside)


def dotted(node: ast.AST) -> str:
    """`a.b.c` as text; a call or an index inside counts as its own front; "" for anything else."""
    parts: list[str] = []
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Subscript | ast.Starred):
            node = node.value
        else:
            return ""
    return ".".join([node.id, *reversed(parts)])


def root(node: ast.AST) -> str:
    """The name at the front of `a.b[c].d()`."""
    return dotted(node).partition(".")[0]


def called_to_bind(node: ast.stmt) -> frozenset[str]:
    """The parts of what an assignment calls for its value: torch, nn and Linear of `x = torch.nn.Linear(1, 2)`."""
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    return frozenset(dotted(value).split(".")) if isinstance(value, ast.Call) else frozenset()


def _called(nodes: list[ast.AST]) -> Iterator[str]:
    """The bare names that are called."""
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


def _effect(nodes: list[ast.AST], own: frozenset[str]) -> str:
    """The first effect among what is called; a student's own `show` is told by its body, not by its name."""
    for node in nodes:
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else dotted(node.func)
            if name in EFFECT_OF and not (isinstance(node.func, ast.Name) and name in own):
                return EFFECT_OF[name]
    return ""


def _mutated(nodes: list[ast.AST]) -> Iterator[str]:
    """The names whose objects are changed in place; of a loop over a changed variable, what the loop runs over too."""
    found = [name for node in nodes for name in _mutated_by(node) if name]
    yield from found
    for node in nodes:
        if isinstance(node, ast.For) and {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)} & set(found):
            yield from (n.id for n in ast.walk(node.iter) if isinstance(n, ast.Name))


def _mutated_by(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Assign | ast.Delete):
        targets = [t for target in node.targets for t in ast.walk(target)]
        yield from (root(t) for t in targets if isinstance(t, ast.Attribute | ast.Subscript))
    elif isinstance(node, ast.AugAssign | ast.AnnAssign) and isinstance(node.target, ast.Attribute | ast.Subscript):
        yield root(node.target)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield from _mutated_by_call(node.value)


def _mutated_by_call(call: ast.Call) -> Iterator[str]:
    """What a call made for its effect changes: `net.append(x)`, `nn.init.zeros_(net.weight)`, `setattr(net, ...)`."""
    function = call.func
    if isinstance(function, ast.Attribute):
        if function.attr not in READING_METHODS:
            yield root(function)
        if ALTERING_MODULES & set(dotted(function).split(".")[:-1]):
            yield from (root(argument) for argument in call.args)
    elif isinstance(function, ast.Name) and function.id in ("setattr", "delattr") and call.args:
        yield root(call.args[0])


def _handed(nodes: list[ast.AST]) -> Iterator[tuple[str, str]]:
    for node in nodes:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name):
            arguments = [*node.value.args, *(k.value for k in node.value.keywords)]
            yield from ((node.value.func.id, name) for name in map(root, arguments) if name)


def seeds(unit: Unit) -> frozenset[str] | None:
    """The names that a call of a seeding function reads (`torch.manual_seed(SEED)`); None if it is no such call."""
    node = unit.node
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return None
    call = node.value
    simple = all(isinstance(a, ast.Constant | ast.Name) for a in call.args) and not call.keywords
    is_seed = isinstance(call.func, ast.Attribute) and call.func.attr in SEEDS and "cuda" not in dotted(call.func)
    return unit.now if simple and is_seed else None
