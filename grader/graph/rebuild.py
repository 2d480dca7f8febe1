"""ir + tensors -> Network: an nn.Module that trains and can be looked at, without any of its author's Python.

Trusted side. Everything that comes in may be hostile: parsing.parse checks its form, measure runs it without content,
and only then is anything allocated. Every fault is a Refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from grader.graph import canonical, layers, pooling
from grader.graph.measure import arguments_in_order, measure
from grader.graph.parsing import check_tensors, parse
from grader.graph.program import Caps, Graph, Node, Program, Refused
from grader.graph.steps import Step
from grader.model import Layer

__all__ = ["Caps", "Network", "Refused", "rebuild"]

MEASURED_BATCH = 8
FASTER = {"aten.max_pool2d.default": pooling.max_pool2d}  # the same numbers, to the bit


def rebuild(ir: object, tensors: object, caps: Caps = Caps()) -> Network:  # noqa: B008  # a frozen value
    """A captured network as a module of torch's operations alone. Raises Refused, a sentence, for any fault in it."""
    program = parse(ir, caps)
    checked = check_tensors(program, tensors)
    return Network(program, checked, caps)


class Network(nn.Module):
    """A rebuilt network: images (B, C, H, W) -> scores (B, classes).

    In training mode the forward runs the training graph, else the evaluation graph; both use this module's parameters
    and buffers. Where `batch` is not None, the forward takes batches of exactly that size. Before a batch size is used
    for the first time it is measured, so a network cannot be small for one size and huge for another; raises Refused.
    """

    def __init__(self, program: Program, tensors: Mapping[str, Tensor], caps: Caps) -> None:
        super().__init__()
        self.batch = program.batch
        self.input_shape = program.input_shape
        self._program = program
        self._caps = caps
        self._measured: set[tuple[bool, int]] = set()
        size = program.batch or MEASURED_BATCH
        measure(program, program.train, size, caps, backward=True)
        self._measurement = measure(program, program.eval, size, caps)
        self._measured |= {(True, size), (False, size)}
        self._places = _register(self, program, tensors)
        self.train_graph = _graph_module(program, program.train)
        self.eval_graph = _graph_module(program, program.eval)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (B, classes) of images (B, C, H, W)."""
        self._check_images(x)
        graph = self.train_graph if self.training else self.eval_graph
        scores: Tensor = graph(x, *(table[key] for table, key in self._places))
        return scores

    def _check_images(self, x: Tensor) -> None:
        """Refuse a batch for which the graphs were not made or measured."""
        count = x.shape[0]
        if tuple(x.shape[1:]) != self.input_shape:
            raise ValueError(f"the network takes images {self.input_shape}, not {tuple(x.shape[1:])}")
        if (self.training, count) in self._measured:
            return
        if self.batch is not None:
            raise ValueError(f"the network takes batches of exactly {self.batch} images, not {count}")
        if count > self._caps.images:
            raise ValueError(f"the network takes at most {self._caps.images} images at once, not {count}")
        measure(self._program, self._program.train if self.training else self._program.eval, count, self._caps)
        self._measured.add((self.training, count))

    def run(self, x: Tensor) -> Tensor:
        """Scores of any number of images in evaluation mode, without gradients; the mode is afterwards as before.

        A network of one batch size sees the images in batches of that size, the last one filled up with zeros. Raises
        Refused where torch cannot do a step, which a measurement without content does not always tell.
        """
        training = self.training
        self.eval()
        try:
            with torch.inference_mode():
                return torch.cat([self._padded(part) for part in torch.split(x, self.batch or self._caps.images)])
        except RuntimeError as e:
            if "allocate memory" in str(e):  # there is too little here
                raise
            raise Refused(f"the network cannot be run: {e}") from e
        finally:
            self.train(training)

    def _padded(self, x: Tensor) -> Tensor:
        missing = (self.batch or 0) - x.shape[0]
        if missing <= 0:
            return self(x)  # type: ignore[no-any-return]  # nn.Module's __call__ is untyped
        filled: Tensor = self(torch.cat([x, x.new_zeros((missing, *self.input_shape))]))
        return filled[: x.shape[0]]

    @property
    def parameter_count(self) -> int:
        """How many numbers are trained."""
        return sum(t.count for t in self._program.tensors if t.kind == "parameter")

    @property
    def flops(self) -> int:
        """FLOPs of one image in evaluation mode, multiply and add apart."""
        return self._measurement.flops_per_image

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of one image's scores."""
        return layers.shape_of(self._measurement, self._program.eval.output.node)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The evaluation graph for questions of structure; step 0 is the input."""
        return layers.steps(self._program, self._measurement)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The evaluation graph for people."""
        return layers.layers(self._program, self._measurement)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the network's structure, equal for every spelling of it; its weights have no part in it."""
        return canonical.fingerprint_of(self._canonical)

    @property
    def weights_digest(self) -> str:
        """SHA-256 of the present weights and buffers in order of use."""
        return canonical.digest_of(self._canonical, self.named_tensors())

    @property
    def _canonical(self) -> canonical.Canonical:
        return canonical.canonical_of(self._program, self._caps)

    @property
    def kinds(self) -> dict[str, str]:
        """Of each named tensor what it is: a parameter (trained), frozen, a buffer or a constant."""
        return {spec.name: spec.kind for spec in self._program.tensors}

    def named_tensors(self) -> dict[str, Tensor]:
        """Parameters, buffers and constants under the names that their author gave them."""
        return {
            spec.name: table[key].detach()
            for spec, (table, key) in zip(self._program.tensors, self._places, strict=True)
        }


Places = tuple[tuple[dict[str, Any], str], ...]


def _register(module: nn.Module, program: Program, tensors: Mapping[str, Tensor]) -> Places:
    """Give the module its own copies, in the program's order; where each lies, so that it is found after a move."""
    places: list[tuple[dict[str, Any], str]] = []
    for i, spec in enumerate(program.tensors):
        key, copy = f"t{i}", tensors[spec.name].detach().clone(memory_format=torch.contiguous_format)
        if spec.kind in ("parameter", "frozen"):
            module.register_parameter(key, nn.Parameter(copy, requires_grad=spec.kind == "parameter"))
            places.append((module._parameters, key))  # noqa: SLF001  # our own
        else:
            module.register_buffer(key, copy)
            places.append((module._buffers, key))  # noqa: SLF001  # our own
    return tuple(places)


def _graph_module(program: Program, graph: Graph) -> fx.GraphModule:
    """A graph as a module without tensors of its own: forward(x, *tensors in the program's order)."""
    return fx.GraphModule(nn.Module(), Builder(program, graph).build())


class Builder:
    """Program graph -> fx.Graph."""

    def __init__(self, program: Program, graph: Graph) -> None:
        self._source = graph
        self._graph = fx.Graph()
        self._input = self._graph.placeholder("x")
        self._weights = {t.name: self._graph.placeholder(f"t{i}") for i, t in enumerate(program.tensors)}
        self._device: fx.Node | None = None
        first = self._graph.call_method("clone", (self._input,)) if graph.writes_input else self._input
        self._values: list[fx.Node] = [first]

    def build(self) -> fx.Graph:
        """The graph, checked by fx."""
        for _, node in self._source:
            self._values.append(self._add(node))
        self._graph.output(self._values[self._source.output.node])
        pooling.rectify_later(self._graph)
        self._graph.lint()
        return self._graph

    def _add(self, node: Node) -> fx.Node:
        arguments = node.bound(self._values, self._weights)
        if node.operator.makes_tensor:
            arguments["device"] = self._input_device()
        positional, keywords = arguments_in_order(node, arguments)
        function = FASTER.get(node.operator.name, node.operator.function)
        return self._graph.call_function(function, positional, keywords)

    def _input_device(self) -> fx.Node:
        """New tensors are made where the input lies."""
        if self._device is None:
            self._device = self._graph.call_function(getattr, (self._input, "device"))
        return self._device
