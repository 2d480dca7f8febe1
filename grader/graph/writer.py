"""The lines of a canonical form, written node by node; see canonical.py for what is told apart and what is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from grader.graph.batches import Sizes
from grader.graph.program import Graph, Node, Program, Ref, Refused, Weight

RESHAPES = frozenset({"reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "reshape_as"})
COPIES = frozenset({"alias", "clone", "lift_fresh_copy"})
DROPOUTS = frozenset({"dropout", "feature_dropout", "alpha_dropout"})
IGNORED = frozenset({"device", "layout", "pin_memory", "cudnn_enabled", "non_blocking", "memory_format"})
# These arguments may be given once for both directions.
PAIRS = frozenset({"kernel_size", "stride", "padding", "dilation", "output_size"})


@dataclass(frozen=True)
class Value:
    """A canonical value: line `line` of the form; 0 is the input."""

    line: int


@dataclass(frozen=True)
class Line:
    """One operation of the form. `effect`: it is kept even if nothing reads its result."""

    op: str
    arguments: tuple[Any, ...]
    effect: bool


class Writer:
    """Rewrites one graph, node by node, in the order it runs."""

    def __init__(self, program: Program, graph: Graph, sizes: Sizes) -> None:
        self._program = program
        self._graph = graph
        self._sizes = sizes
        self._lines = [Line("input", (), effect=False)]
        self._values: list[Value | Weight | None] = [Value(0)]
        self._roots: list[Ref | Weight] = [Ref(0)]
        self._last_use = _last_uses(graph)

    def write(self) -> None:
        """All nodes."""
        for index, node in self._graph:
            self._values.append(None if self._sizes.is_number(Ref(index)) else self._write(index, node))
            first = node.references[0] if node.references else None
            self._roots.append(self._root(first) if node.operator.aliases and first else Ref(index))

    def _write(self, index: int, node: Node) -> Value | Weight:
        """The canonical value of a node's result."""
        base = node.operator.base
        if self._is_unchanged(index, node):
            return self._value(node.references[0])
        if node.operator.writes:
            return self._write_in_place(index, node)
        if base in RESHAPES:
            return self._reshape(self._value(node.references[0]), self._sizes.at(Ref(index)))
        return self._append(node, _plain_name(node), effect=node.operator.random or bool(node.written))

    def _is_unchanged(self, index: int, node: Node) -> bool:
        """Whether the result is the first argument, bit for bit, gradient included."""
        base, given = node.operator.base, node.arguments
        if base in COPIES or (base in DROPOUTS and (not given["train"] or given["p"] == 0)):
            return True
        if base == "contiguous":
            return all(user.operator.base in RESHAPES for _, user in self._graph if Ref(index) in user.references)
        if base == "detach":
            value = self._value(node.references[0])
            return isinstance(value, Weight) and self._program.by_name[value.name].kind == "constant"
        return base in RESHAPES and self._sizes.at(Ref(index)) == self._size_of(node.references[0])

    def _size_of(self, reference: Ref | Weight) -> Any:
        if isinstance(reference, Ref):
            return self._sizes.at(reference)
        return list(self._program.by_name[reference.name].shape)

    def _write_in_place(self, index: int, node: Node) -> Value | Weight:
        """As the plain operation, whose result then stands for the overwritten value; else as it is."""
        target = node.references[0]
        if isinstance(self._root(target), Weight) or self._is_seen_elsewhere(index, target):
            return self._append(node, node.operator.name, effect=True)
        assert isinstance(target, Ref)  # noqa: S101  # its root is no weight
        value = self._append(node, _plain_name(node), effect=node.operator.random)
        self._values[target.node] = value
        return value

    def _is_seen_elsewhere(self, index: int, target: Ref | Weight) -> bool:
        """Whether another name of the same memory is read later."""
        root = self._root(target)
        others = (i for i, r in enumerate(self._roots) if r == root and Ref(i) != target)
        return any(self._last_use.get(i, 0) > index for i in others)

    def _reshape(self, value: Value | Weight, sizes: Any) -> Value | Weight:
        """A reshape of a reshape is one."""
        if isinstance(value, Value) and self._lines[value.line].op == "reshape":
            value = self._lines[value.line].arguments[0]
        return self._add(Line("reshape", (value, sizes), effect=False))

    def _append(self, node: Node, name: str, *, effect: bool) -> Value:
        given = {k: v for k, v in node.arguments.items() if k not in IGNORED}
        arguments = tuple(self._argument(node, k, v) for k, v in given.items())
        return self._add(Line(name, arguments, effect))

    def _add(self, line: Line) -> Value:
        self._lines.append(line)
        return Value(len(self._lines) - 1)

    def _argument(self, node: Node, name: str, value: Any) -> Any:
        """One argument in its one spelling."""
        if name == "stride" and value == () and "kernel_size" in node.arguments:
            value = node.arguments["kernel_size"]
        if name in PAIRS and isinstance(value, tuple) and len(value) == 1 and node.operator.base.endswith("2d"):
            value = value * 2
        if name == "dim":
            return self._dimensions(node, value)
        return self._encoded(value)

    def _dimensions(self, node: Node, value: Any) -> Any:
        """Dimensions counted from the front."""
        first = node.references[0]
        rank = self._sizes.rank(first) if isinstance(first, Ref) else len(self._program.by_name[first.name].shape)
        if node.operator.base == "stack" or value is None:
            return self._encoded(value)
        if isinstance(value, tuple):
            return sorted(d % rank if rank else d for d in value)
        return value % rank if rank else value

    def _encoded(self, value: Any) -> Any:
        if isinstance(value, Ref) and self._sizes.is_number(value):
            return self._sizes.at(value)
        if isinstance(value, Ref | Weight):
            return self._value(value)
        if isinstance(value, tuple):
            return [self._encoded(v) for v in value]
        return value if value is None or isinstance(value, bool | int | float | str) else str(value)

    def _value(self, reference: Ref | Weight) -> Value | Weight:
        value = self._values[reference.node] if isinstance(reference, Ref) else reference
        if value is None:
            raise Refused("the network uses a number where a tensor belongs.")
        return value

    def _root(self, reference: Ref | Weight) -> Ref | Weight:
        return self._roots[reference.node] if isinstance(reference, Ref) else reference

    def numbered(self, order: dict[str, int]) -> list[Any]:
        """The lines that matter, numbered anew; tensors get their numbers in `order` when they are first used."""
        answer = self._value(self._graph.output)
        live = self._live(answer)
        numbers = {line: i for i, line in enumerate(sorted(live | {0}))}

        def number(value: Any) -> Any:
            if isinstance(value, Value):
                return ["n", numbers[value.line]]
            if isinstance(value, Weight):
                return ["t", order.setdefault(value.name, len(order))]
            return [number(v) for v in value] if isinstance(value, list | tuple) else value

        lines = [self._lines[i] for i in sorted(live | {0})]
        return [*([line.op, number(line.arguments)] for line in lines), ["output", number(answer)]]

    def _live(self, answer: Value | Weight) -> set[int]:
        live: set[int] = set()
        waiting = [*_read(answer), *(i for i, line in enumerate(self._lines) if line.effect)]
        while waiting:
            line = waiting.pop()
            if line not in live:
                live.add(line)
                waiting.extend(_read(self._lines[line].arguments))
        return live


def _read(value: Any) -> list[int]:
    """The lines that a value refers to."""
    if isinstance(value, Value):
        return [value.line]
    return [line for v in value for line in _read(v)] if isinstance(value, list | tuple) else []


def _plain_name(node: Node) -> str:
    """The name of the out-of-place operation: "relu.default" for relu_ too."""
    overload = node.operator.name.rsplit(".", 1)[1]
    return f"{node.operator.base}.{overload}"


def _last_uses(graph: Graph) -> dict[int, int]:
    """The last node that reads each node; the answer is read at the end."""
    last = {r.node: i for i, node in graph for r in node.references if isinstance(r, Ref)}
    last[graph.output.node] = len(graph.nodes) + 1
    return last
