"""How large a Program is: shapes, FLOPs and memory, by running it on the meta device, where tensors have no content."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from grader.graph.program import Caps, Graph, Node, Program, Refused

MOST_RESULTS = 1024
META = torch.device("meta")


@dataclass(frozen=True)
class Shape:
    """What a node gives: one tensor's shape and dtype, a number, or the results of several."""

    sizes: tuple[int, ...]
    dtype: torch.dtype


Result = Shape | int | tuple[Shape, ...]


@dataclass(frozen=True)
class Measurement:
    """Results and FLOPs of each node (input first) for `batch` images; `activation_bytes` of all that is made."""

    batch: int
    results: tuple[Result, ...]
    flops: tuple[int, ...]
    activation_bytes: int

    @property
    def flops_per_image(self) -> int:
        """FLOPs of one image, multiply and add apart."""
        return math.ceil(sum(self.flops) / self.batch)


def measure(program: Program, graph: Graph, batch: int, caps: Caps, *, backward: bool = False) -> Measurement:
    """Run `graph` on `batch` images without content, and with `backward` its gradients too. Raises Refused."""
    try:
        with torch.set_grad_enabled(backward):
            return Meter(program, graph, batch, caps).run(backward=backward)
    except Refused:
        raise
    except Exception as e:  # noqa: BLE001  # torch says in many ways that arguments do not fit together
        first = (str(e).strip().splitlines() or [type(e).__name__])[0][:200]
        raise Refused(f"the network does not work on {batch} images: {first}") from None


class Meter:
    """One run on the meta device, stopped at the first tensor or sum that is too large."""

    def __init__(self, program: Program, graph: Graph, batch: int, caps: Caps) -> None:
        self._program = program
        self._graph = graph
        self._batch = batch
        self._caps = caps
        self._weights = {t.name: self._weight(t) for t in program.tensors}
        images = torch.empty((batch, *program.input_shape), device=META)
        self._values: list[Any] = [images.clone() if graph.writes_input else images]
        self._flops = [0]
        self._work = 0

    @staticmethod
    def _weight(spec: Any) -> Tensor:
        trained = spec.kind == "parameter" and torch.is_grad_enabled()
        return torch.empty(spec.shape, dtype=spec.dtype, device=META, requires_grad=trained)

    def run(self, *, backward: bool) -> Measurement:
        """Every node, then the gradients."""
        from grader.graph.flops import Counter  # only what measures networks loads it

        with Counter([*self._weights.values(), self._values[0]]) as counter:
            for _, node in self._graph:
                before = counter.get_total_flops()
                self._step(node)
                self._check_bytes(node, counter.made_bytes)
                self._flops.append(counter.get_total_flops() - before)
        self._check_work(sum(self._flops))
        answer = self._values[self._graph.output.node]
        self._check_answer(answer)
        if backward:
            self._check_backward(answer)
        return Measurement(self._batch, tuple(_result(v) for v in self._values), tuple(self._flops), counter.made_bytes)

    def _step(self, node: Node) -> None:
        arguments = node.bound(self._values, self._weights)
        if node.operator.makes_tensor:
            arguments["device"] = META
        _check_results(node.operator.base, arguments)
        result = call(node, arguments)
        for tensor in _tensors(result):
            self._check_tensor(node, tensor)
        self._work += _extra_work(node.operator.base, arguments, result)
        if _columns(node.operator.base, arguments, result) > self._caps.activation_bytes:
            raise Refused(f"{node.operator.base} needs more working memory for an image than is accepted.")
        self._values.append(result)

    def _check_tensor(self, node: Node, tensor: Tensor) -> None:
        """Meta tensors only, of a common dtype, and small enough; views count too, for what reads them."""
        self._work += tensor.numel()
        self._check_bytes(node, tensor.numel() * tensor.dtype.itemsize)
        if tensor.device.type != "meta" or tensor.is_complex() or tensor.layout is not torch.strided:
            raise Refused(f"{node.operator.base} gives something other than a plain real tensor.")

    def _check_bytes(self, node: Node, size: int) -> None:
        """Of one result, or of all memory that was made so far."""
        if size > self._caps.activation_bytes * self._batch:
            raise Refused(
                f"the network's results need more than {self._caps.activation_bytes:,} bytes for each image "
                f"(at {node.operator.base})."
            )

    def _check_work(self, flops: int) -> None:
        if flops + self._work > self._caps.flops * self._batch:
            raise Refused(
                f"the network needs {(flops + self._work) // self._batch:,} operations for each image; "
                f"at most {self._caps.flops:,} are accepted."
            )

    def _check_answer(self, answer: object) -> None:
        if not isinstance(answer, Tensor) or not answer.is_floating_point():
            raise Refused("the network's output is not a tensor of real numbers.")
        if answer.dim() < 1 or answer.shape[0] != self._batch:
            raise Refused(
                f"the network gives an output of shape {tuple(answer.shape)} for {self._batch} images; "
                "its first dimension must be the images."
            )

    def _check_backward(self, answer: Tensor) -> None:
        """Gradients exist and no value they need was overwritten."""
        trained = [self._weights[t.name] for t in self._program.tensors if t.kind == "parameter"]
        if not trained or not answer.requires_grad:
            raise Refused("the network's output does not depend on any weight that can be trained.")
        torch.autograd.grad(answer.sum(), trained, allow_unused=True)


def call(node: Node, arguments: Mapping[str, Any]) -> Any:
    """Run one operation with arguments by name."""
    split = arguments_in_order(node, arguments)
    return node.operator.function(*split[0], **split[1])


def arguments_in_order(node: Node, arguments: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments; keywords that are None are left to torch."""
    positional = tuple(arguments[p.name] for p in node.operator.parameters if not p.keyword_only)
    keywords = {p.name: arguments[p.name] for p in node.operator.parameters if p.keyword_only}
    return positional, {name: value for name, value in keywords.items() if value is not None}


def _tensors(result: object) -> list[Tensor]:
    values = result if isinstance(result, list | tuple) else [result]
    return [v for v in values if isinstance(v, Tensor)]


def _result(value: Any) -> Result:
    if isinstance(value, Tensor):
        return Shape(tuple(value.shape), value.dtype)
    return tuple(_result(v) for v in value) if isinstance(value, list | tuple) else value  # type: ignore[misc]  # results are not nested


def _check_results(base: str, arguments: Mapping[str, Any]) -> None:
    """Refuse to cut a tensor into very many."""
    if base not in ("unbind", "split"):
        return
    tensor: Tensor = arguments["self"]
    parts = tensor.shape[arguments["dim"]] // max(1, arguments.get("split_size", 1))
    if parts > MOST_RESULTS:
        raise Refused(f"the network cuts a tensor into {parts:,} pieces; at most {MOST_RESULTS} are accepted.")


def _window(arguments: Mapping[str, Any], result: Any) -> int:
    """Work of a pooling: each result looks at a whole window."""
    kernel = arguments["kernel_size"]
    size = kernel[0] * kernel[-1]
    return int(_tensors(result)[0].numel() * size)


def _region(arguments: Mapping[str, Any], result: Any) -> int:
    """Work of an adaptive pooling: about every entry once."""
    return int(arguments["self"].numel() + _tensors(result)[0].numel())


WORK: Mapping[str, Callable[[Mapping[str, Any], Any], int]] = MappingProxyType(
    {
        "max_pool2d": _window,
        "max_pool2d_with_indices": _window,
        "avg_pool2d": _window,
        "adaptive_avg_pool2d": _region,
        "adaptive_max_pool2d": _region,
    }
)


def _columns(base: str, arguments: Mapping[str, Any], result: Any) -> int:
    """Bytes of one image unfolded into a convolution's windows, which some kernels write out."""
    if not base.startswith("conv"):
        return 0
    image: Tensor = arguments["input"] if "transpose" in base else result
    spatial = math.prod(image.shape[2:])
    return int(arguments["weight"][0].numel() * arguments["groups"] * spatial * result.dtype.itemsize)


def _extra_work(base: str, arguments: Mapping[str, Any], result: Any) -> int:
    """Operations that torch's counter does not count."""
    work = WORK.get(base)
    return work(arguments, result) if work else 0
