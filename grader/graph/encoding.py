"""The form that crosses to the trusted side: JSON-able nodes of aten operations, and plain tensors.

Runs beside student code: standard library and torch only.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.export.graph_signature import InputKind

from grader.graph.keeping import same
from grader.graph.observation import DATA_DEPENDENT, NotCapturable

SAFE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,199}")
PYTHON_OPS: Mapping[Any, str] = MappingProxyType(
    {getattr(operator, name): f"python.{name}" for name in ("getitem", "add", "sub", "mul", "floordiv", "mod", "neg")}
)
MOVES = frozenset({"aten.to.device", "aten.to.dtype", "aten.to.dtype_layout"})
"""What `x.to(...)` becomes: all is on the CPU here, so that only a change of type is left of it."""
CHECKS = re.compile(r"aten\._assert_|aten\.sym_constrain_|aten\._check|assert")


class Tensors:
    """The tensors of both graphs: each once, under a name fit for JSON; every parameter, and the buffers in use."""

    def __init__(self, model: nn.Module) -> None:
        self.parameters = dict(model.named_parameters(remove_duplicate=False))
        self.buffers = dict(model.named_buffers(remove_duplicate=False))
        self._kept: dict[str, tuple[Tensor, str]] = {}
        for name, parameter in model.named_parameters():
            self.keep(name, parameter, "parameter" if parameter.requires_grad else "frozen")

    def keep(self, name: str, tensor: Tensor, kind: str) -> str:
        """Keep a tensor if it is new and return its name here; tied weights and equal constants are kept once."""
        for known, (other, other_kind) in self._kept.items():
            if other is tensor or (kind == other_kind == "constant" and _equal_constants(other, tensor)):
                return known
        known = name if SAFE_NAME.fullmatch(name) and name not in self._kept else f"_tensor{len(self._kept)}"
        self._kept[known] = (tensor, kind)
        return known

    def specs(self) -> list[dict[str, Any]]:
        """Name, shape, dtype and kind of each."""
        return [
            {"name": name, "shape": list(t.shape), "dtype": str(t.dtype).removeprefix("torch."), "kind": kind}
            for name, (t, kind) in self._kept.items()
        ]

    def copies(self) -> dict[str, Tensor]:
        """Plain contiguous copies."""
        return {
            name: t.detach().as_subclass(Tensor).clone(memory_format=torch.contiguous_format)
            for name, (t, _) in self._kept.items()
        }


def _equal_constants(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and same(a, b)


class Encoder:
    """One exported graph -> {"nodes", "output", "outputs"}."""

    def __init__(self, program: Any, tensors: Tensors, mode: str) -> None:
        self._program = program
        self._tensors = tensors
        self._mode = mode
        self._values: dict[Any, dict[str, Any]] = {}
        self._nodes: list[list[Any]] = []

    def encode(self, index: int) -> dict[str, Any]:
        """The graph, of which the output at `index` is the answer."""
        graph, specs = self._program.graph, self._program.graph_signature.input_specs
        for node, spec in zip(graph.find_nodes(op="placeholder"), specs, strict=True):
            self._values[node] = self._placeholder(spec)
        outputs = next(iter(graph.find_nodes(op="output"))).args[0]
        live = _live(graph, outputs[index])
        for node in graph.nodes:
            if node in live and node.op not in ("placeholder", "output"):
                self._add(node)
        return {"nodes": self._nodes, "output": self._values[outputs[index]], "outputs": len(outputs)}

    def _placeholder(self, spec: Any) -> dict[str, Any]:
        if spec.kind is InputKind.USER_INPUT:
            return {"node": 0}
        if spec.kind is InputKind.PARAMETER:
            parameter = self._tensors.parameters[spec.target]
            return {"tensor": self._tensors.keep(spec.target, parameter, "parameter")}
        if spec.kind is InputKind.BUFFER:
            return {"tensor": self._tensors.keep(spec.target, self._tensors.buffers[spec.target], "buffer")}
        if spec.kind is InputKind.CONSTANT_TENSOR:
            constant = self._program.constants[spec.target]
            return {"tensor": self._tensors.keep(f"{self._mode}.{spec.target}", constant, "constant")}
        raise NotCapturable(f"its forward uses {spec.target}, which is not a tensor.")

    def _add(self, node: Any) -> None:
        if node.op != "call_function":
            raise NotCapturable(
                "its forward holds a block that torch keeps apart (torch.no_grad, autocast, checkpoint or a "
                "control-flow operator); leave it out, the grader decides when gradients are kept."
            )
        name = PYTHON_OPS.get(node.target) or str(node.target)
        if not isinstance(node.target, torch._ops.OpOverload) and not name.startswith("python."):  # noqa: SLF001  # the public name of this type
            raise NotCapturable(f"its forward uses {name}, which is not an operation on tensors.")
        if name.startswith(("aten.item", "aten._local_scalar_dense")):
            raise NotCapturable(DATA_DEPENDENT)
        arguments = [self._value(value) for value in node.args]
        keywords = {key: self._value(value) for key, value in node.kwargs.items()}
        if name in MOVES:
            wanted, had = _type_of(node), getattr(node.args[0].meta.get("val"), "dtype", None)
            if wanted is had:
                self._values[node] = self._values[node.args[0]]
                return
            name, arguments, keywords = "aten.to.dtype", [arguments[0], self._value(wanted)], {}
        self._nodes.append([name, arguments, keywords])
        self._values[node] = {"node": len(self._nodes)}

    def _value(self, value: Any) -> Any:
        """One argument in JSON's terms."""
        if isinstance(value, torch.fx.Node):
            return self._values[value]
        if isinstance(value, list | tuple):
            return [self._value(v) for v in value]
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, int | float):
            if value != value or value in (float("inf"), float("-inf")):
                raise NotCapturable("its forward uses an infinite number or NaN as a constant; use a large number.")
            return value
        return self._setting(value)

    def _setting(self, value: Any) -> Any:
        """A dtype, device, layout or memory format."""
        if isinstance(value, torch.dtype):
            return {"dtype": str(value).removeprefix("torch.")}
        if isinstance(value, torch.memory_format):
            return {"memory_format": str(value).removeprefix("torch.")}
        if isinstance(value, torch.device) and value.type != "cpu":
            raise NotCapturable(f"its forward moves tensors to {value}; leave the device to the grader.")
        if isinstance(value, torch.device) or value is torch.strided:
            return None
        raise NotCapturable(f"its forward gives an operation a {type(value).__name__}, which has no place in a graph.")


def _type_of(node: Any) -> torch.dtype:
    """The type that a move gives."""
    return next(v for v in (*node.args, *node.kwargs.values()) if isinstance(v, torch.dtype))


def _live(graph: Any, answer: Any) -> set[Any]:
    """Nodes that the answer, a buffer or the random numbers depend on; torch's own checks are left out."""
    live: set[Any] = set()
    waiting = [answer, *(n for n in graph.nodes if _has_effect(n))]
    while waiting:
        node = waiting.pop()
        if node not in live:
            live.add(node)
            waiting.extend(node.all_input_nodes)
    return live


def is_pure(program: Any) -> bool:
    """Whether nothing in an exported program writes a tensor or draws random numbers."""
    return not any(_has_effect(node) for node in program.graph.nodes)


def _has_effect(node: Any) -> bool:
    """Whether a node does more than give its result: writes a tensor, draws random numbers, or is a block."""
    if node.op == "get_attr" or node.op != "call_function" or CHECKS.search(str(node.target)):
        return False
    if not isinstance(node.target, torch._ops.OpOverload):  # noqa: SLF001  # the public name of this type
        return node.target not in PYTHON_OPS and "item" not in str(node.target)
    return node.target._schema.is_mutable or torch.Tag.nondeterministic_seeded in node.target.tags  # noqa: SLF001
