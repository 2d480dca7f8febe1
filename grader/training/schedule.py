"""What each step of a training draws, and its learning rate."""

from __future__ import annotations

import torch
from torch import Tensor

from grader.recipe import Recipe
from grader.training.descent import Descent


def draws(sides: Tensor, epoch: int, batch: int, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """(steps, 3, batch): image, row shift, column shift and side of each step of an epoch; the remainder is left out.

    An image starts on a random side and changes it every epoch, so that both are seen equally often.
    """
    n, shifts = len(sides), 2 * recipe.shift + 1
    steps = n // batch
    which = torch.randperm(n, generator=generator)
    down, across = torch.randint(shifts, (2, n), generator=generator)
    if recipe.flip:
        across = across + shifts * ((sides[which] + epoch) % 2)
    kept = torch.stack([which, down, across])[:, : steps * batch]
    return kept.reshape(3, steps, batch).transpose(0, 1).contiguous()


def rate(step: int, steps: int, recipe: Recipe) -> float:
    """The learning rate: up in a line over the first `warmup` of the steps, then down in a line to 0."""
    warm = recipe.warmup * steps
    rising = (step + 1) / warm if warm else 1.0
    return recipe.learning_rate * min(rising, 1.0, (steps - step) / (steps - warm))


def set_rate(optimizer: torch.optim.Optimizer | Descent, rate: float) -> None:
    """Give the optimizer another learning rate."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)  # a recorded step reads the same memory again
        else:
            group["lr"] = rate


def batch_size(images: int, wanted: int, static: int | None) -> int:
    """How many images a step takes: the recipe's number, fewer when there are fewer, full batches of `static`.

    Raises ValueError.
    """
    batch = min(wanted, images)
    if static is not None:
        batch -= batch % static
    if batch < 2 or (static is not None and wanted % static):
        raise ValueError(
            f"{images} images in batches of {wanted} cannot be given to a network that takes {static or 'at least 2'} "
            "at once; the batch must be a multiple of that, and there must be a whole batch of images"
        )
    return batch
