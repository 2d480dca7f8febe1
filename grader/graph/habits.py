"""What students write in a network that runs, and yet does not learn as they think. Beside student code: only shown.

The network is looked through, and run once in each mode on a few images; each finding is a sentence without its end
that says what to do. Standard library, torch and what capture is made of only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from grader.graph.keeping import TORCHS_OWN, undisturbed
from grader.graph.observation import answer

IMAGES = 4  # batch normalisation wants more than one
HIDDEN = (
    "its layers in self.{name} lie in a plain {kind}, where PyTorch does not find and never trains them: use {right}"
)
FROZEN = "all its weights are frozen (requires_grad = False), so nothing in it can learn: leave that out"
MADE = (
    "its forward makes layers at each call ({kinds}), with new random weights each time, which never learn: make them "
    "once, in __init__"
)
ALWAYS_DROPS = (
    "its forward draws random numbers in evaluation mode too, so an image's scores change from one run to the next: "
    "write F.dropout(x, training=self.training), or make nn.Dropout once, in __init__"
)
CUT = (
    "no gradient reaches {name}, where it begins, so that never learns: look for detach(), .data, torch.no_grad or "
    "numpy in its forward"
)


def found(model: nn.Module, input_shape: tuple[int, ...], classes: int | None = None) -> list[str]:
    """A sentence for each habit that costs accuracy; the model and the random numbers are afterwards as before.

    Nothing is said of a network that does not run on images (B, *input_shape).
    """
    told = list(_plain_containers(model))
    parameters = list(model.parameters())
    if parameters and not any(p.requires_grad for p in parameters):
        told.append(FROZEN)
    with contextlib.suppress(Exception), undisturbed(model):  # whatever it raises is said elsewhere
        images = torch.randn(IMAGES, *input_shape, generator=torch.Generator().manual_seed(20190513))
        told += _watched(model, images, classes)
    return told


def _watched(model: nn.Module, images: Tensor, classes: int | None) -> Iterator[str]:
    """What shows when it runs."""
    before = torch.get_rng_state()
    with torch.no_grad(), _constructions() as made:
        model.eval()(images.clone())
    if kinds := sorted({type(m).__name__ for m in made if any(True for _ in m.parameters())}):
        yield MADE.format(kinds=", ".join(kinds))
    elif not torch.equal(before, torch.get_rng_state()):
        yield ALWAYS_DROPS
    if name := _never_reached(model, images, classes):
        yield CUT.format(name=name)


@contextlib.contextmanager
def _constructions() -> Iterator[list[nn.Module]]:
    """The modules that are made within."""
    made: list[nn.Module] = []
    begin = nn.Module.__init__

    def noting(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        made.append(self)
        begin(self, *args, **kwargs)

    nn.Module.__init__ = noting  # type: ignore[method-assign]  # put back below
    try:
        yield made
    finally:
        nn.Module.__init__ = begin  # type: ignore[method-assign]


def _never_reached(model: nn.Module, images: Tensor, classes: int | None) -> str:
    """The first layer that runs, if its weights get no gradient; "" otherwise. Later ones may be left out by chance."""
    first: list[tuple[str, list[nn.Parameter]]] = []
    hooks = [m.register_forward_pre_hook(_noting(first, name, own)) for name, m, own in _trainable(model)]
    try:
        _, output = answer(model.train()(images.clone()), classes)
    finally:
        for hook in hooks:
            hook.remove()
    if not first:
        return ""
    name, own = first[0]
    reached = torch.autograd.grad(output.sum(), own, allow_unused=True) if output.requires_grad else [None]
    return "" if any(g is not None for g in reached) else name


def _trainable(model: nn.Module) -> Iterable[tuple[str, nn.Module, list[nn.Parameter]]]:
    """Name, module and its own trainable parameters, where it has any."""
    for name, module in model.named_modules():
        if own := [p for p in module.parameters(recurse=False) if p.requires_grad]:
            yield name, module, own


def _noting(first: list[tuple[str, list[nn.Parameter]]], name: str, own: list[nn.Parameter]) -> Callable[..., None]:
    return lambda *_: first.append((name, own))


def _plain_containers(model: nn.Module) -> Iterator[str]:
    """Lists and dicts of layers that are registered nowhere."""
    known = set(model.modules())
    for path, module in model.named_modules():
        for key, value in vars(module).items():
            if key not in TORCHS_OWN and _hides_layers(value, known):
                kind, right = ("dict", "nn.ModuleDict") if isinstance(value, dict) else ("list", "nn.ModuleList")
                yield HIDDEN.format(name=f"{path}.{key}" if path else key, kind=kind, right=right)


def _hides_layers(value: object, known: set[nn.Module]) -> bool:
    inside = list(value.values()) if isinstance(value, dict) else value
    layers = [m for m in inside if isinstance(m, nn.Module)] if isinstance(inside, list | tuple) else []
    return any(m not in known and any(True for _ in m.parameters()) for m in layers)
