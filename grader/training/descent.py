"""SGD with momentum by torch's fused kernel alone, for a processor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.sgd import sgd

from grader.recipe import Recipe


class Descent:
    """What torch.optim.SGD(nesterov=True, fused=True) does, to the bit, without its hooks and its states' look-up.

    They take ten times as long as a LeNet's numbers. `param_groups` is as an optimizer's.
    """

    def __init__(self, parameters: Sequence[Tensor], recipe: Recipe) -> None:
        self.param_groups: list[dict[str, Any]] = [{"params": list(parameters), "lr": recipe.learning_rate}]
        self._recipe = recipe
        self._momenta: list[Tensor | None] = [None] * len(parameters)

    @torch.no_grad()
    def step(self) -> None:
        """One step down the gradients; a parameter without one stays as it is."""
        parameters, rate = self.param_groups[0]["params"], self.param_groups[0]["lr"]
        moved = [i for i, p in enumerate(parameters) if p.grad is not None]
        momenta = [self._momenta[i] for i in moved]
        sgd(
            [parameters[i] for i in moved],
            [parameters[i].grad for i in moved],
            momenta,
            fused=True,
            lr=rate,
            momentum=self._recipe.momentum,
            weight_decay=self._recipe.weight_decay,
            dampening=0.0,
            nesterov=self._recipe.momentum > 0,
            maximize=False,
        )
        for i, momentum in zip(moved, momenta, strict=True):
            self._momenta[i] = momentum
