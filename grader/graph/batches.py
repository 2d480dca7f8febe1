"""Which sizes in a graph depend on the batch: told by measuring it at two batch sizes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from grader.graph.measure import Measurement, Result, Shape, measure
from grader.graph.program import Caps, Graph, Node, Program, Ref, Refused

BATCHES = (8, 11)


def sizes(program: Program, graph: Graph, caps: Caps) -> Sizes:
    """The graph's results as functions of the batch size. Raises Refused."""
    return Sizes(*_measurements(program, graph, caps))


def _measurements(program: Program, graph: Graph, caps: Caps) -> tuple[Measurement, Measurement]:
    """At two batch sizes; a network of one size is tried with its size replaced where it shapes a tensor."""
    if program.batch is None:
        return measure(program, graph, BATCHES[0], caps), measure(program, graph, BATCHES[1], caps)
    first = measure(program, graph, program.batch, caps)
    try:
        return first, measure(program, _resized(graph, program.batch, program.batch + 3), program.batch + 3, caps)
    except Refused:
        return first, first


def _resized(graph: Graph, old: int, new: int) -> Graph:
    """The graph with `new` in place of `old` where the first size of a tensor is given."""
    return replace(graph, nodes=tuple(_resized_node(node, old, new) for _, node in graph))


def _resized_node(node: Node, old: int, new: int) -> Node:
    changed = {
        name: (new, *value[1:])
        for name, value in node.arguments.items()
        if name in ("shape", "size") and isinstance(value, tuple) and value and value[0] == old
    }
    return replace(node, arguments={**node.arguments, **changed}) if changed else node


@dataclass(frozen=True)
class Sizes:
    """Results at two batch sizes, as functions of the batch size B."""

    first: Measurement
    second: Measurement

    def number(self, a: int, b: int) -> Any:
        """7 where it is constant, ["B", slope, offset] where it grows with the batch, else both values."""
        if a == b:
            return a
        slope, rest = divmod(b - a, self.second.batch - self.first.batch)
        return ["B", slope, a - slope * self.first.batch] if rest == 0 else ["?", a, b]

    def at(self, reference: Ref) -> Any:
        """The number or the sizes that a node gives."""
        return self._of(self.first.results[reference.node], self.second.results[reference.node])

    def _of(self, a: Result, b: Result) -> Any:
        if isinstance(a, Shape) and isinstance(b, Shape):
            return [self.number(m, n) for m, n in zip(a.sizes, b.sizes, strict=True)]
        return self.number(a, b) if isinstance(a, int) and isinstance(b, int) else None

    def is_number(self, reference: Ref) -> bool:
        """Whether a node gives a number rather than tensors."""
        return isinstance(self.first.results[reference.node], int)

    def rank(self, reference: Ref) -> int:
        """How many dimensions a node's tensor has."""
        result = self.first.results[reference.node]
        return len(result.sizes) if isinstance(result, Shape) else 0
