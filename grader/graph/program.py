"""ir -> Program: every field of a captured network checked against the table of operations. Nothing is run here.

What comes in was made beside student code and may be hostile in every field. What comes out has known operations, the
arguments that their schemas name (all of them, defaults filled in), references that point backwards only, and bounded
numbers. Every fault is a Refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from grader.graph import operators
from grader.graph.operators import Operator, Parameter

VERSION = 1
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,199}")
EQUATION = re.compile(r"[A-Za-z,.> -]{1,64}")
KINDS = ("parameter", "frozen", "buffer", "constant")
MOST_DIMENSIONS = 8
MODES = ("train", "eval")


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


def parse(ir: object, caps: Caps) -> Program:
    """Check a captured network's form. Raises Refused."""
    fields = _fields(ir, ("version", "input", "batch", "tensors", "train", "eval"), "the network")
    if not _is_int(fields["version"], VERSION, VERSION):
        raise Refused(f"the network's form has version {_shown(fields['version'])}; this grader reads {VERSION}.")
    tensors = _tensors(fields["tensors"], caps)
    graphs = {mode: GraphReader(fields[mode], mode, tensors, caps).read() for mode in MODES}
    batch = fields["batch"]
    if batch is not None and not _is_int(batch, 2, caps.images):
        raise Refused(f"the network's batch size is {_shown(batch)}, wanted null or 2 to {caps.images}.")
    return Program(_input_shape(fields["input"]), batch, tuple(tensors.values()), **graphs)


def check_tensors(program: Program, tensors: object) -> dict[str, Tensor]:
    """The network's tensors, each as its spec says: plain, dense, on the CPU. Raises Refused."""
    if type(tensors) is not dict or set(tensors) != set(program.by_name):
        raise Refused("the network's tensors are not those that its form lists.")
    for spec in program.tensors:
        tensor = tensors[spec.name]
        if type(tensor) not in (Tensor, torch.nn.Parameter) or tensor.layout is not torch.strided:
            raise Refused(f"{spec.name} is not a plain tensor.")
        if tensor.dtype is not spec.dtype or tuple(tensor.shape) != spec.shape or tensor.device.type != "cpu":
            raise Refused(
                f"{spec.name} is {tensor.dtype} {tuple(tensor.shape)} on {tensor.device}, "
                f"wanted {spec.dtype} {spec.shape} on the CPU."
            )
    return tensors


# --- small checks -------------------------------------------------------------------------------------------------


def _is_int(value: object, low: float, high: float) -> bool:
    """A whole number, not a bool, within bounds."""
    return type(value) is int and low <= value <= high


def _shown(value: object) -> str:
    """A hostile value, cut short, for a message."""
    if type(value) is int and abs(value) > operators.LARGEST_NUMBER:
        return "a huge number"
    if value is None or type(value) in (int, float, bool):
        return repr(value)
    return ascii(value[:60]) if type(value) is str else f"a {type(value).__name__}"


def _fields(value: object, names: tuple[str, ...], what: str) -> dict[str, Any]:
    if type(value) is not dict or set(value) != set(names):
        raise Refused(f"{what} must have exactly the fields {', '.join(names)}.")
    return value


def _list(value: object, most: int, what: str) -> list[Any]:
    if type(value) is not list or len(value) > most:
        raise Refused(f"{what} must be a list of at most {most} entries.")
    return value


def _input_shape(value: object) -> tuple[int, int, int]:
    sizes = _list(value, 3, "the input's shape")
    if len(sizes) != 3 or not all(_is_int(s, 1, 4096) for s in sizes):  # channels, rows, columns
        raise Refused("the input's shape must be [channels, height, width], each 1 to 4096.")
    return (sizes[0], sizes[1], sizes[2])


def _tensors(value: object, caps: Caps) -> dict[str, TensorSpec]:
    """The listed tensors by name, within the caps for numbers and bytes."""
    specs = [_tensor_spec(entry) for entry in _list(value, caps.tensors, "the network's tensors")]
    by_name = {s.name: s for s in specs}
    if len(by_name) != len(specs):
        raise Refused("two tensors of the network have one name.")
    if (count := sum(s.count for s in specs)) > caps.parameters:
        raise Refused(f"the network holds {count:,} numbers; at most {caps.parameters:,} are accepted.")
    if (size := sum(s.count * s.dtype.itemsize for s in specs)) > caps.bytes:
        raise Refused(f"the network's tensors take {size:,} bytes; at most {caps.bytes:,} are accepted.")
    return by_name


def _tensor_spec(entry: object) -> TensorSpec:
    fields = _fields(entry, ("name", "shape", "dtype", "kind"), "a tensor")
    name, dtype, kind = fields["name"], fields["dtype"], fields["kind"]
    if type(name) is not str or not NAME.fullmatch(name):
        raise Refused(f"a tensor's name is {_shown(name)}; letters, digits, _ and . are accepted.")
    shape = _list(fields["shape"], MOST_DIMENSIONS, f"the shape of {name}")
    if not all(_is_int(s, 1, 1 << 28) for s in shape):
        raise Refused(f"the shape of {name} must be whole numbers above 0.")
    if type(dtype) is not str or dtype not in operators.DTYPES or kind not in KINDS:
        raise Refused(f"{name} has an unknown dtype or kind.")
    if kind in ("parameter", "frozen") and not operators.DTYPES[dtype].is_floating_point and kind == "parameter":
        raise Refused(f"{name} is to be trained but has dtype {dtype}.")
    return TensorSpec(name, tuple(shape), operators.DTYPES[dtype], kind)


# --- graphs -------------------------------------------------------------------------------------------------------


class GraphReader:
    """Reads one graph; knows the tensors' names, and which nodes share memory with the input or a weight."""

    def __init__(self, value: object, mode: str, tensors: Mapping[str, TensorSpec], caps: Caps) -> None:
        self._fields = _fields(value, ("nodes", "output", "outputs"), f"the {mode} graph")
        self._mode = mode
        self._tensors = tensors
        self._caps = caps
        self._nodes: list[Node] = []
        self._roots: list[Ref | Weight] = [Ref(0)]
        self._writes_input = False

    def read(self) -> Graph:
        """The checked graph."""
        for entry in _list(self._fields["nodes"], self._caps.nodes, f"the nodes of the {self._mode} graph"):
            node = self._node(entry)
            self._check_writes(node)
            self._nodes.append(node)
            self._roots.append(self._root(node))
        output = self._reference(self._fields["output"])
        if not isinstance(output, Ref) or not _is_int(self._fields["outputs"], 1, 1024):
            raise Refused(f"the output of the {self._mode} graph must be one of its nodes.")
        return Graph(tuple(self._nodes), output, self._fields["outputs"], self._writes_input)

    def _node(self, entry: object) -> Node:
        if type(entry) is not list or len(entry) != 3:  # name, arguments, keywords
            raise Refused(f"node {len(self._nodes) + 1} must be [operation, arguments, keywords].")
        name, positional, keywords = entry
        if type(name) is not str or (found := operators.find(name)) is None:
            raise Refused(f"the operation {_shown(name)} is not among those that a network may use here.")
        if type(positional) is not list or type(keywords) is not dict:
            raise Refused(f"{name}: arguments must be a list, keywords an object.")
        given = self._bind(found, positional, keywords)
        arguments = {p.name: self._argument(found, p, given) for p in found.parameters}
        return _replaced(Node(found, MappingProxyType(arguments)))

    def _bind(self, found: Operator, positional: list[Any], keywords: dict[Any, Any]) -> dict[str, Any]:
        """Arguments by name."""
        in_order = [p.name for p in found.parameters if not p.keyword_only]
        given = dict(zip(in_order, positional, strict=False))
        unknown = set(keywords) - {p.name for p in found.parameters}
        if len(positional) > len(in_order) or unknown or set(given) & set(keywords):
            raise Refused(f"{found.name} is given arguments that it does not take.")
        return {**given, **keywords}

    def _argument(self, found: Operator, parameter: Parameter, given: Mapping[str, Any]) -> Any:
        """One checked argument, or its default."""
        if parameter.name not in given:
            if parameter.required and not parameter.optional:
                raise Refused(f"{found.name} is not given {parameter.name}.")
            return parameter.default
        value = given[parameter.name]
        where = f"{parameter.name} of {found.name}"
        if value is None and (parameter.optional or parameter.kind in UNSET):
            return None
        if not parameter.is_list:
            return self._scalar(parameter, value, where)
        if parameter.kind == "int" and type(value) is int:
            value = [value]
        entries = _list(value, operators.LONGEST_LIST.get(parameter.kind, 0), where)
        lengths = (1, parameter.length, len(parameter.default or [1]))
        if parameter.length not in (None, 1) and len(entries) not in lengths:  # torch writes int[1] for any length
            raise Refused(f"{where} has {len(entries)} entries, wanted {parameter.length}.")
        return tuple(self._scalar(parameter, v, where) for v in entries)

    def _scalar(self, parameter: Parameter, value: Any, where: str) -> Any:
        """One value that is no list."""
        if type(value) is dict:
            return self._symbol(parameter, value, where)
        check = CHECKS.get(parameter.kind)
        if check is None or not check(parameter.name, value):
            raise Refused(f"{where} is {_shown(value)}, which is not a {parameter.kind} within its bounds.")
        return value

    def _symbol(self, parameter: Parameter, value: dict[Any, Any], where: str) -> Any:
        """A reference, a dtype or a memory format, where the operation takes one."""
        if parameter.kind == "ScalarType":
            return _setting(value, "dtype", operators.DTYPES, where)
        if parameter.kind == "MemoryFormat":
            return _setting(value, "memory_format", operators.MEMORY_FORMATS, where)
        if parameter.kind not in ("Tensor", "results", "int", "number"):
            raise Refused(f"{where} must be a {parameter.kind}.")
        reference = self._reference(value)
        if isinstance(reference, Weight) and parameter.kind != "Tensor":
            raise Refused(f"{where} must be a {parameter.kind}, not a tensor of the network.")
        return reference

    def _reference(self, value: object) -> Ref | Weight:
        if type(value) is dict and len(value) == 1:
            if _is_int(value.get("node"), 0, len(self._nodes)):
                return Ref(value["node"])
            if type(value.get("tensor")) is str and value["tensor"] in self._tensors:
                return Weight(value["tensor"])
        raise Refused(
            f"node {len(self._nodes) + 1} of the {self._mode} graph refers to something that is not before it."
        )

    def _root(self, node: Node) -> Ref | Weight:
        """Whose memory the node's result may be."""
        if node.operator.aliases and node.references:
            return self._root_of(node.references[0])
        return Ref(len(self._nodes))

    def _root_of(self, reference: Ref | Weight) -> Ref | Weight:
        return self._roots[reference.node] if isinstance(reference, Ref) else reference

    def _check_writes(self, node: Node) -> None:
        """A graph may write its own results and buffers, a copy of its input, and never a weight."""
        for reference in node.written:
            root = self._root_of(reference)
            if isinstance(root, Weight) and self._tensors[root.name].kind in ("parameter", "frozen"):
                raise Refused(f"{node.operator.name} changes {root.name}; only the optimizer may change weights.")
            self._writes_input |= root == Ref(0)


UNSET = frozenset({"Device", "Layout", "Generator"})


def _number(kind: str) -> Callable[[str, Any], bool]:
    accepted = {"int": (int,), "float": (int, float), "number": (int, float)}[kind]
    return lambda name, value: type(value) in accepted and operators.in_range(name, kind, value)


def _word(name: str, value: object) -> bool:
    if type(value) is not str:
        return False
    return bool(EQUATION.fullmatch(value)) if name == "equation" else value in operators.WORDS.get(name, ())


CHECKS: Mapping[str, Callable[[str, Any], bool]] = MappingProxyType(
    {
        "int": _number("int"),
        "float": _number("float"),
        "number": _number("number"),
        "Tensor": lambda name, value: name == "other" and _number("number")(name, value),  # x + 1
        "bool": lambda _, value: type(value) is bool,
        "str": _word,
    }
)


def _setting(value: dict[Any, Any], key: str, table: Mapping[str, Any], where: str) -> Any:
    name = value.get(key)
    if len(value) != 1 or type(name) is not str or name not in table:
        raise Refused(f"{where} must be a known {key}.")
    return table[name]


def _replaced(node: Node) -> Node:
    """A view as a reshape, and an empty tensor as zeros, which take the same arguments under other names."""
    name = operators.REPLACED.get(node.operator.name)
    arguments = dict(node.arguments)
    if "pin_memory" in arguments:
        arguments["pin_memory"] = None
    if name is None:
        return Node(node.operator, MappingProxyType(arguments))
    found = operators.find(name)
    if found is None:
        raise Refused(f"this torch has no {name}.")
    if "size" in arguments and found.base == "reshape":
        arguments["shape"] = arguments.pop("size")
    return Node(found, MappingProxyType({p.name: arguments.get(p.name) for p in found.parameters}))
