"""A network as its modules ran, for one that has no graph. Runs beside student code: what it says is only shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

MOST = 400  # as many as a page shows
BATCH = 2  # batch normalisation is in eval mode here, but a network may look at its batch


def outline(model: nn.Module, input_shape: tuple[int, ...]) -> list[list[Any]]:
    """[class, output shape of one image, own parameters] of each module that holds no other, in the order they ran."""
    found: list[list[Any]] = []
    leaves = [m for m in model.modules() if not any(m.children())]
    hooks = [m.register_forward_hook(_noting(found)) for m in leaves]
    was_training = model.training
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            model.eval()(torch.zeros(BATCH, *input_shape))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return found


def _noting(found: list[list[Any]]) -> Callable[[nn.Module, Any, Any], None]:
    def note(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor) and len(found) < MOST:
            own = sum(p.numel() for p in module.parameters())
            found.append([type(module).__name__, list(output.shape[1:]), own])

    return note
