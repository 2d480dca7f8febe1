"""A captured network once it is checked (parsing.py): its tensors, its two graphs, their nodes; and its caps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import torch

from grader.graph.operators import Operator


class Refused(ValueError):  # an outcome, named as the design does
    """A captured network is malformed, uses what is not allowed, or is too large; the text is a sentence."""


@dataclass(frozen=True)
class Caps:
    """How large a network may be. `flops` and `activation_bytes` are per image; `images` is the largest batch."""

    nodes: int = 5_000
    tensors: int = 4_096
    parameters: int = 100_000_000
    bytes: int = 512 << 20
    flops: int = 20_000_000_000
    activation_bytes: int = 256 << 20
    images: int = 8_192


@dataclass(frozen=True)
class Ref:
    """The result of an earlier node; 0 is the input."""

    node: int


@dataclass(frozen=True)
class Weight:
    """A tensor of the network by name."""

    name: str


@dataclass(frozen=True)
class TensorSpec:
    """A tensor that the network brings. `kind`: parameter (trained), frozen, buffer, constant."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    kind: str

    @property
    def count(self) -> int:
        """How many numbers it holds."""
        return torch.Size(self.shape).numel()


@dataclass(frozen=True)
class Node:
    """One operation with all its arguments by name, in the schema's order."""

    operator: Operator
    arguments: Mapping[str, Any]

    @cached_property
    def references(self) -> tuple[Ref | Weight, ...]:
        """What it reads, in order."""
        flat = (v for value in self.arguments.values() for v in (value if isinstance(value, tuple) else (value,)))
        return tuple(v for v in flat if isinstance(v, Ref | Weight))

    def bound(self, results: Sequence[Any], weights: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments with what stands for them: the results of earlier nodes in order, the tensors by name."""

        def value(argument: Any) -> Any:
            match argument:
                case Ref():
                    return results[argument.node]
                case Weight():
                    return weights[argument.name]
                case tuple():
                    return [value(v) for v in argument]
            return argument

        return {name: value(argument) for name, argument in self.arguments.items()}

    @property
    def written(self) -> tuple[Ref | Weight, ...]:
        """What it writes besides its result: the first argument in place, and running statistics."""
        written = [self.references[0]] if self.operator.writes else []
        if self.arguments.get("training") or self.arguments.get("use_input_stats"):
            written += [v for k in ("running_mean", "running_var") if (v := self.arguments.get(k)) is not None]
        return tuple(written)


@dataclass(frozen=True)
class Graph:
    """Nodes 1, 2, ... in the order they run; `output` is the answer; `writes_input`: the input is changed in place."""

    nodes: tuple[Node, ...]
    output: Ref
    outputs: int
    writes_input: bool

    def __iter__(self) -> Iterator[tuple[int, Node]]:
        return iter(enumerate(self.nodes, start=1))


@dataclass(frozen=True)
class Program:
    """A checked network. `batch` is the one batch size that works, or None for any."""

    input_shape: tuple[int, int, int]
    batch: int | None
    tensors: tuple[TensorSpec, ...]
    train: Graph
    eval: Graph

    def __deepcopy__(self, _: object) -> Program:
        return self  # a value: a copied network shares it

    @cached_property
    def by_name(self) -> Mapping[str, TensorSpec]:
        """The tensors by name."""
        return MappingProxyType({t.name: t for t in self.tensors})
