"""What running some syntax calls, changes and sets off. Runs beside student code: standard library only.

What it sets off (training, reading a data set, drawing) is told from the names of what it calls: good enough to choose
what to leave out, and never a judgement of its worth.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef

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


def executed(node: ast.AST) -> Iterator[ast.AST]:
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


def called(nodes: list[ast.AST]) -> Iterator[str]:
    """The bare names that are called."""
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


def effect(nodes: list[ast.AST], own: frozenset[str]) -> str:
    """The first effect among what is called; a student's own `show` is told by its body, not by its name."""
    for node in nodes:
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else dotted(node.func)
            if name in EFFECT_OF and not (isinstance(node.func, ast.Name) and name in own):
                return EFFECT_OF[name]
    return ""


def mutated(nodes: list[ast.AST]) -> Iterator[str]:
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


def handed(nodes: list[ast.AST]) -> Iterator[tuple[str, str]]:
    """(function, name) for each name handed to a bare function in a call made for its effect."""
    for node in nodes:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name):
            arguments = [*node.value.args, *(k.value for k in node.value.keywords)]
            yield from ((node.value.func.id, name) for name in map(root, arguments) if name)
