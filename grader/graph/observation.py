"""The network itself, run and looked at: what it gives, what it changes, and whether that matters.

Runs beside student code: standard library and torch only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from grader import scores
from grader.graph.keeping import (
    TORCHS_OWN,
    attributes_kept,
    changes,
    foreign_random_state,
    model_kept,
    python_state,
    same,
)

FEW = 4  # images for the comparison: above 1 for BatchNorm, and another size than the traced one
MANY = 1_000_003  # calls more than there were
NO_GRADIENT = (
    "no gradient reaches its weights, so they can never learn: its forward runs under torch.no_grad or "
    "torch.inference_mode, or ends in detach(). Take that off; the grader decides when gradients are kept."
)
DATA_DEPENDENT = (
    "its forward decides by the values in a tensor (an `if`, `while`, `int()` or `.item()` on a result), so it is "
    "not one fixed graph; decide by shapes or by self.training instead."
)


class NotCapturable(Exception):  # an outcome of the student's, named as the design does
    """The network cannot be turned into a faithful graph; the text is a sentence for its author."""


class Unfaithful(NotCapturable):
    """The trace exists but is not the network."""


@dataclass(frozen=True)
class Run:
    """What one forward and backward gave: one image per row of `output`, gradients and buffers by name."""

    output: Tensor
    gradients: tuple[Tensor | None, ...]
    buffers: dict[str, Tensor]


def check_tensors(model: nn.Module, input_shape: tuple[int, int, int]) -> None:
    """Initialise lazy layers; refuse weights that are not plain numbers on the CPU."""
    if any(
        isinstance(p, UninitializedParameter | UninitializedBuffer) for p in [*model.parameters(), *model.buffers()]
    ):
        with torch.no_grad():
            _call(model, images_of(input_shape, FEW))
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.device.type != "cpu" or tensor.layout is not torch.strided or tensor.is_quantized:
            raise NotCapturable(
                f"{name} lies on {tensor.device} as a {tensor.layout} tensor; leave the weights plain and on the CPU "
                "(no .cuda(), no .to('cuda')): the grader moves the network itself."
            )


def images_of(input_shape: tuple[int, ...], count: int) -> Tensor:
    """Images (count, *input_shape) from a seed of their own, about as normalised pictures are: mean 0, deviation 1."""
    return torch.randn(count, *input_shape, generator=torch.Generator().manual_seed(20190511))


def _call(model: Callable[[Tensor], Any], images: Tensor) -> Any:
    """The forward's result; whatever it raises is NotCapturable."""
    try:
        return model(images.clone())
    except Exception as e:  # noqa: BLE001  # student code: anything can come out
        raise NotCapturable(
            f"the network raised {type(e).__name__} on images of shape {tuple(images.shape)}: {first_line(e)}"
        ) from None


def runs(model: nn.Module, input_shape: tuple[int, int, int], count: int) -> bool:
    """Whether a forward on so few images works: false where the batch size is written into the code."""
    try:
        with torch.no_grad(), model_kept(model):
            _call(model, images_of(input_shape, count))
    except NotCapturable:
        return False
    return True


@dataclass(frozen=True)
class Observed:
    """A Run of the network itself, which of its outputs is the answer, and what a trace would not see.

    `changed` are the attributes that the forward sets and does not compute with.
    """

    run: Run
    index: int
    custom: str
    changed: tuple[str, ...] = ()


def observe(model: nn.Module, images: Tensor, classes: int | None = None) -> Observed:
    """Run the network; the generators start where `_replay` starts them. Raises Unfaithful for hidden state."""
    state = python_state(model)
    with attributes_kept(model, TORCHS_OWN):
        observed = _observed(model, images, classes)
        changed = changes(state, python_state(model))
    if changed:
        _must_not_matter(model, images, observed.run, changed, classes)
    return replace(observed, changed=changed)


def _observed(model: nn.Module, images: Tensor, classes: int | None) -> Observed:
    """One run; buffers are afterwards as before."""
    before = foreign_random_state()
    buffers = {name: b.detach().clone() for name, b in model.named_buffers()}
    parameters = list(model.parameters())
    weights = [p.detach().clone() for p in parameters]
    seed()
    result = _call(model, images)
    if foreign_random_state() != before:
        raise Unfaithful(
            "its forward draws random numbers from Python's random or from numpy, which a graph would freeze to one "
            "constant; use torch.rand or torch.bernoulli."
        )
    if {id(p) for p in model.parameters()} != {id(p) for p in parameters}:
        raise Unfaithful("its forward makes layers of its own at each call; make them once, in __init__.")
    if not all(same(p, w) for p, w in zip(parameters, weights, strict=True)):
        raise Unfaithful("its forward changes its own weights; leave that to the optimizer.")
    index, output = answer(result, classes)
    if not output.requires_grad and model.training and any(p.requires_grad for p in parameters):
        raise Unfaithful(NO_GRADIENT)
    after = {name: b.detach().clone() for name, b in model.named_buffers()}
    custom = _custom_function(output)
    run = Run(output.detach(), gradients(output, parameters), after)
    _put_back(model, buffers)
    return Observed(run, index, custom)


def _put_back(model: nn.Module, buffers: Mapping[str, Tensor]) -> None:
    """Give the buffers their former numbers."""
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if not same(buffer, buffers[name]):
                buffer.copy_(buffers[name])


def _must_not_matter(model: nn.Module, images: Tensor, run: Run, changed: tuple[str, ...], classes: int | None) -> None:
    """Run the network again with something else in the attributes that it changes; raise Unfaithful for another run."""
    for disturb in (_after_other_images, _with_other_numbers):
        buffers = {name: b.detach().clone() for name, b in model.named_buffers()}
        try:
            with attributes_kept(model, TORCHS_OWN):
                disturb(model, images, changed)
                _put_back(model, buffers)
                again = _observed(model, images, classes).run
        except NotCapturable:
            again = None
        if again is None or not _alike(run, again):
            raise Unfaithful(
                f"its forward changes self.{changed[0]} and computes with it in the next call; a forward must not keep "
                "state on the module. Keep numbers that must last in a buffer (register_buffer)."
            )


def _after_other_images(model: nn.Module, images: Tensor, changed: tuple[str, ...]) -> None:  # noqa: ARG001  # as below
    _call(model, images.flip(0).neg() + 1)


def _with_other_numbers(model: nn.Module, images: Tensor, changed: tuple[str, ...]) -> None:  # noqa: ARG001  # as above
    """Other numbers in place of those that the forward changes: it may count, but not compute with the count."""
    modules = dict(model.named_modules())
    for path, _, key in (name.rpartition(".") for name in changed):
        value = getattr(modules[path], key, None)  # it may be the class's so far
        if isinstance(value, bool | int | float):
            setattr(modules[path], key, not value if isinstance(value, bool) else value + MANY)


def _alike(a: Run, b: Run) -> bool:
    """Whether two runs gave the same."""
    return (
        close(a.output, b.output)
        and a.buffers.keys() == b.buffers.keys()
        and all(close(buffer, b.buffers[name]) for name, buffer in a.buffers.items())
        and all(close(x, y, tolerance=1e-3) for x, y in zip(a.gradients, b.gradients, strict=True))
    )


def seed() -> None:
    """The same random numbers for the network and for its graph."""
    torch.manual_seed(20190511)


def answer(result: object, classes: int | None = None) -> tuple[int, Tensor]:
    """The scores, with their place among all outputs."""
    found = scores.find(result, classes)
    if found is None:
        raise NotCapturable(f"its forward returns {type(result).__name__}, not a tensor of scores.")
    return found.place, found.tensor


def gradients(output: Tensor, parameters: list[nn.Parameter]) -> tuple[Tensor | None, ...]:
    """Gradients of a fixed random weighting of the output, None where it does not depend on the parameter."""
    wanted = [p for p in parameters if p.requires_grad]
    if not output.requires_grad or not wanted:
        return tuple(None for _ in wanted)
    weighting = torch.randn(output.shape, generator=torch.Generator().manual_seed(20190512), dtype=output.dtype)
    try:
        return torch.autograd.grad((output * weighting).sum(), wanted, allow_unused=True)
    except Exception as e:  # noqa: BLE001  # a custom backward is student code too
        raise NotCapturable(f"its backward raised {type(e).__name__}: {first_line(e)}") from None


def _custom_function(output: Tensor) -> str:
    """The name of a torch.autograd.Function of the student's behind the output, or ""."""
    waiting: list[Any] = [output.grad_fn]
    seen = set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            return type(node).__name__.removesuffix("Backward")
        waiting.extend(following for following, _ in node.next_functions)
    return ""


def close(a: Tensor | None, b: Tensor | None, tolerance: float = 1e-5) -> bool:
    """Equal up to rounding, measured against the largest entry; None and zeros are one."""
    if a is None or b is None:
        only = b if a is None else a
        return only is None or not bool(only.any())
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    scale = float(a.abs().max()) if a.numel() else 0.0
    return torch.allclose(a.double(), b.double(), rtol=0, atol=tolerance * max(scale, 1e-6), equal_nan=True)


def first_line(error: BaseException) -> str:
    """The start of an error's text."""
    return (str(error).strip().splitlines() or ["no message"])[0][:300]
