"""Why a network does not take the question's images, in its own numbers. Runs student code: stdlib and torch only.

The layers are watched on two black images: the sizes on the way to the one that does not fit, what that one takes and
what it gets. Then other usual kinds of images are tried, since most networks that do not fit were written for another
data set.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

Shape = tuple[int, ...]

USUAL = {  # (channels, height, width): what such images are known from
    (1, 28, 28): "the grey images of MNIST",
    (1, 32, 32): "grey images",
    (3, 28, 28): "images of another size",
    (3, 64, 64): "images of another size",
    (3, 224, 224): "the large images of ImageNet",
    (3, 227, 227): "the large images of ImageNet",
    (784,): "MNIST images laid out in a row",
    (3072,): "images laid out in a row",
}
MOST_SIZES = 12  # of layers in one message: all of LeNet's


@dataclass
class Path:
    """The leaves of a network in the order of their calls, with the sizes that they gave; `at` is still running."""

    sizes: list[tuple[str, Shape]] = field(default_factory=list)
    at: tuple[str, nn.Module, Shape] | None = None
    last: tuple[str, nn.Module] | None = None


def why(model: nn.Module, shape: Shape, classes: int) -> str:
    """What to say of a network that does not map images of this shape to scores: sentences, "" for nothing."""
    path = _followed(model, shape)
    told = [_sizes(path, shape), _obstacle(path), _last(path, classes), _other(model, shape)]
    return " ".join(sentence for sentence in told if sentence)


def _followed(model: nn.Module, shape: Shape) -> Path:
    """The way of two black images through the layers, as far as they come."""
    path = Path()
    with _quiet(model), _watched(model, path):
        _output(model, shape)
    return path


@contextmanager
def _quiet(model: nn.Module) -> Iterator[None]:
    was_training = model.training
    model.eval()
    with torch.no_grad():
        yield
    model.train(was_training)


@contextmanager
def _watched(model: nn.Module, path: Path) -> Iterator[None]:
    names = {m: _called(n, m) for n, m in model.named_modules() if not any(True for _ in m.children())}

    def enters(module: nn.Module, inputs: Any) -> None:
        given = inputs[0] if inputs and isinstance(inputs[0], Tensor) else torch.empty(0)
        path.at = (names[module], module, tuple(given.shape[1:]))

    def leaves(module: nn.Module, inputs: Any, output: Any) -> None:  # noqa: ARG001  # torch's signature
        path.at, path.last = None, (names[module], module)
        if isinstance(output, Tensor):
            path.sizes.append((names[module], tuple(output.shape[1:])))

    hooks = [h for m in names for h in (m.register_forward_pre_hook(enters), m.register_forward_hook(leaves))]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _called(name: str, module: nn.Module) -> str:
    """The attribute that a student gave a layer; one in a Sequential has only a number, so its type is said too."""
    if not name:
        return "the network"
    return f"{type(module).__name__} {name}" if name.rpartition(".")[2].isdigit() else name


def _output(model: nn.Module, shape: Shape) -> Tensor | None:
    try:
        output = model(torch.zeros(2, *shape))
    except BaseException:  # noqa: BLE001  # trying is how we find out
        return None
    output = output[0] if isinstance(output, tuple | list) and output else output
    return output if isinstance(output, Tensor) else None


def _sizes(path: Path, shape: Shape) -> str:
    """The sizes on the way, each named once."""
    if not path.sizes:
        return ""
    changed = [
        (n, s) for (n, s), before in zip(path.sizes, [(), *(s for _, s in path.sizes)], strict=False) if s != before
    ]
    shown = ", ".join(f"{name} {_by(size)}" for name, size in changed[:MOST_SIZES])
    more = ", \N{HORIZONTAL ELLIPSIS}" if len(changed) > MOST_SIZES else ""
    return f"An image of {_by(shape)} becomes: {shown}{more}."


def _obstacle(path: Path) -> str:
    """What the layer that does not fit takes, and what it gets."""
    if path.at is None:
        return ""
    name, layer, given = path.at
    if isinstance(layer, nn.Linear) and given and given[-1] != layer.in_features:
        before = next((s for _, s in reversed(path.sizes) if len(s) > 1), ())
        sum_ = f" = {given[-1]}" if before and torch.Size(before).numel() == given[-1] else ""
        gets = f"{_by(before)}{sum_}" if sum_ else str(given[-1])
        fits = f": make it nn.Linear({given[-1]}, {layer.out_features})" if sum_ else ""
        return f"{name} takes {layer.in_features} numbers for each image and gets {gets}{fits}."
    if isinstance(layer, nn.Conv2d) and len(given) == 3 and given[0] != layer.in_channels:
        channels = "1 channel" if layer.in_channels == 1 else f"{layer.in_channels} channels"
        return f"{name} takes {channels} and gets {given[0]}: make its first number {given[0]}."
    return ""


def _last(path: Path, classes: int) -> str:
    """What to do about a last layer for another number of classes."""
    if path.at or not path.last or not isinstance(path.last[1], nn.Linear) or path.last[1].out_features == classes:
        return ""
    name, layer = path.last
    assert isinstance(layer, nn.Linear)  # noqa: S101  # asked above; mypy forgets it
    return f"Its last layer, {name}, gives {layer.out_features}: make it nn.Linear({layer.in_features}, {classes})."


def _other(model: nn.Module, shape: Shape) -> str:
    """The usual images that it does take."""
    if _takes(model, shape):
        return ""
    for other, known in USUAL.items():
        if other != shape and _takes(model, other):
            return f"It takes {known}, {_by(other)}; those of this question are {_by(shape)}."
    return ""


def _takes(model: nn.Module, shape: Shape) -> bool:
    with _quiet(model):
        output = _output(model, shape)
    return output is not None and output.dim() == 2 and output.shape[0] == 2


def _by(shape: Shape) -> str:
    return " x ".join(map(str, shape))
