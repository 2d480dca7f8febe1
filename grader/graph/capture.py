"""A network as a graph of aten operations. Runs beside student code: standard library and torch only.

torch.export traces the forward twice, in training and in evaluation mode (stochastic depth and dropout make them
different graphs), with a free batch size if it can. A trace is not always the network: a custom backward is dropped,
Python's random numbers freeze, state kept on `self` is read once. So the graph is run beside the network on the same
images with the same random numbers, and outputs, gradients and buffers must agree; else NotCapturable says why.

Students keep things on `self` in a forward: features for a plot, a count of calls. That is no matter where nothing is
computed from it: the network is run again after other images, and with other numbers in its place, and must do the
same. Then it is traced with those attributes put back at the end of its forward, for torch.export refuses any change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export.graph_signature import InputKind

from grader.graph.encoding import CHECKS, Encoder, Tensors, is_pure
from grader.graph.keeping import model_kept, quiet, random_state_kept
from grader.graph.observation import (
    DATA_DEPENDENT,
    FEW,
    NotCapturable,
    Observed,
    Run,
    Unfaithful,
    check_tensors,
    close,
    gradients,
    images_of,
    observe,
    runs,
    seed,
)
from grader.graph.tracing import Traced, traced

__all__ = ["Captured", "NotCapturable", "capture"]

VERSION = 1
DECIDES = (
    "its forward decides by the values in a tensor (an `if`, an `assert` or `.item()`); wherever it was tried the "
    "decision was the same, so it is measured with that"
)


@dataclass(frozen=True)
class Captured:
    """A network's graphs (`ir`, JSON-able; see grader.graph) and its tensors by name: contiguous copies on the CPU.

    `note`: what is unusual about it, without the end of the sentence, or "".
    """

    ir: dict[str, Any]
    tensors: dict[str, Tensor]
    note: str = ""


def capture(
    model: nn.Module, input_shape: tuple[int, int, int], batch: int = 64, classes: int | None = None
) -> Captured:
    """Trace `model` on images (B, *input_shape) in both modes; `batch` is the size used when only one works.

    Of several outputs the one of shape (B, classes) is the answer; see grader.scores.

    The model's mode, buffers and attributes, and the random number generators, are afterwards as before; what the
    forward prints is dropped. Raises NotCapturable.
    """
    with quiet(), random_state_kept():
        check_tensors(model, input_shape)
        with model_kept(model):
            return _capture(model, input_shape, batch, classes)


def _capture(model: nn.Module, input_shape: tuple[int, int, int], batch: int, classes: int | None) -> Captured:
    """Dynamic batch if network and trace both allow it, else the one batch size."""
    if runs(model, input_shape, FEW):
        try:
            return _capture_with(model, images_of(input_shape, FEW), None, batch, classes)
        except Unfaithful:
            raise
        except NotCapturable:  # perhaps only because the batch size is written into the code
            pass
    return _capture_with(model, images_of(input_shape, batch), batch, batch, classes)


def _capture_with(model: nn.Module, images: Tensor, static: int | None, batch: int, classes: int | None) -> Captured:
    """Trace and compare both modes; `static` is the only batch size, or None."""
    tensors = Tensors(model)
    model.train()
    trace, train, index = _mode(model, images, static, batch, classes, tensors)
    model.eval()
    if _is_evaluation_too(trace, model, images, index, classes):
        graphs, told = {"train": train, "eval": train}, trace.told
    else:
        other, evaluation, _ = _mode(model, images, static, batch, classes, tensors)
        graphs, told = {"train": train, "eval": evaluation}, trace.told or other.told
    ir = {
        "version": VERSION,
        "input": list(images.shape[1:]),
        "batch": static,
        "tensors": tensors.specs(),
        **graphs,
    }
    return Captured(ir, tensors.copies(), DECIDES if told else "")


def _mode(
    model: nn.Module, images: Tensor, static: int | None, batch: int, classes: int | None, tensors: Tensors
) -> tuple[Traced, dict[str, Any], int]:
    """The trace of the model in the mode that it is in, compared; its graph; which output is the answer."""
    mode = "train" if model.training else "eval"
    observed = observe(model, images, classes)
    trace = traced(model, images_of(tuple(images.shape[1:]), batch), observed, dynamic=static is None)
    graph = Encoder(trace.program, tensors, mode).encode(observed.index)
    if trace.told:
        _compare_widely(trace.program, model, images, mode, classes)
    else:
        compare(trace.program, model, images, observed, mode)
    return trace, graph, observed.index


def _is_evaluation_too(trace: Traced, model: nn.Module, images: Tensor, index: int, classes: int | None) -> bool:
    """Whether the graph of the training mode is that of the evaluation mode: a second trace costs as much as the first.

    So it is where nothing in it is random or written, and the network computes the same on two batches.
    """
    if trace.told or not is_pure(trace.program):
        return False
    try:
        for batch in (images, images.flip(0).neg() + 1):
            observed = observe(model, batch, classes)
            if observed.index != index:
                return False
            compare(trace.program, model, batch, observed, "eval")
    except NotCapturable:
        return False
    return True


def compare(program: Any, model: nn.Module, images: Tensor, observed: Observed, mode: str) -> None:
    """Run the graph as the network was run; raise Unfaithful where output, buffers or gradients differ."""
    replayed = _replay(program, model, images, observed.index)
    expected = observed.run
    where = "training" if mode == "train" else "evaluation"
    if not close(expected.output, replayed.output):
        raise Unfaithful(
            f"its graph gives other outputs than its forward in {where} mode: the forward depends on something besides "
            "its input, its weights and torch's random numbers (a global, the time, another random generator)."
        )
    for name, buffer in replayed.buffers.items():
        if not close(expected.buffers[name], buffer):
            raise Unfaithful(f"its forward updates {name} in a way that its graph does not.")
    pairs = zip(expected.gradients, replayed.gradients, strict=True)
    if not all(close(a, b, tolerance=1e-3) for a, b in pairs):
        name = observed.custom or "a custom torch.autograd.Function or hook"
        raise Unfaithful(
            f"its gradients are not those of its forward: {name} has a backward of its own, which a graph cannot "
            "hold. Use torch's operations, whose gradients torch knows."
        )


def _compare_widely(program: Any, model: nn.Module, images: Tensor, mode: str, classes: int | None) -> None:
    """Compare a graph that was told its decisions: on other images and under other weights it must be the network, too.

    Where the network raises it has computed nothing else.
    """
    for sign in (1, -1):
        with model_kept(model):
            _multiply(model, sign)
            for other in (images, images.flip(0).neg() + 1, 3 * images, torch.zeros_like(images)):
                try:
                    observed = observe(model, other, classes)
                except NotCapturable:
                    continue
                try:
                    compare(program, model, other, observed, mode)
                except Unfaithful:
                    raise Unfaithful(DATA_DEPENDENT) from None


def _multiply(model: nn.Module, factor: float) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(factor)


def _replay(program: Any, model: nn.Module, images: Tensor, index: int) -> Run:
    """Run an exported graph node by node on the model's parameters and on copies of its buffers."""
    buffers = {name: b.detach().clone() for name, b in model.named_buffers()}
    first = {id(b): name for name, b in model.named_buffers()}
    everywhere = {name: buffers[first[id(b)]] for name, b in model.named_buffers(remove_duplicate=False)}
    parameters = dict(model.named_parameters(remove_duplicate=False))
    tables = {
        InputKind.PARAMETER: parameters,
        InputKind.BUFFER: everywhere,
        InputKind.CONSTANT_TENSOR: program.constants,
    }
    values: dict[Any, Any] = {}
    nodes = iter(program.graph.nodes)
    for spec in program.graph_signature.input_specs:
        values[next(nodes)] = images.clone() if spec.kind is InputKind.USER_INPUT else tables[spec.kind][spec.target]
    seed()
    for node in nodes:
        arguments = torch.fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
        if node.op == "output":
            output = arguments[0][0][index]
        elif not CHECKS.search(str(node.target)):
            values[node] = node.target(*arguments[0], **arguments[1])
    return Run(output.detach(), gradients(output, list(model.parameters())), buffers)
