"""The stand-in: ten classes of drawn shapes, made on the spot from a seed where there is no data set at hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from grader.data.dataset import SHAPE, DataSet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    Pixels = NDArray[np.uint8]

CONTRAST = (60, 110)  # with this noise a LeNet learns the drawn classes, but not perfectly
NOISE = 30


def stand_in(train_per_class: int = 300, test_per_class: int = 100, seed: int = 0) -> DataSet:
    """Ten classes of drawn shapes, so that every command runs with no data set at hand. Not CIFAR-10, and named so.

    Everything is whole numbers from a bit generator whose stream is fixed, so every machine draws the same images.
    """
    numbers = _Numbers(seed)
    train, test = ([_drawn(draw, n, numbers) for draw in SHAPES.values()] for n in (train_per_class, test_per_class))
    return DataSet(
        "stand-in (drawn, not CIFAR-10)",
        tuple(SHAPES),
        *_taking_turns(train),
        *_taking_turns(test),
        stand_in=True,
        source="drawn",
    )


class _Numbers:
    """Whole numbers from a seed. numpy fixes a bit generator's stream, but not what a Generator makes of it."""

    def __init__(self, seed: int) -> None:
        from numpy.random import PCG64

        self._bits = PCG64(seed)

    def between(self, low: int, high: int, *shape: int) -> NDArray[np.int64]:
        """Numbers from `low` to `high`, both included."""
        import numpy as np

        raw = self._bits.random_raw(math.prod(shape)) >> np.uint64(33)  # the low bits of a PCG are its weakest
        return (raw.astype(np.int64) % (high - low + 1) + low).reshape(shape)


Figure = Callable[["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.int64]"], "NDArray[np.bool_]"]
"""Which pixels belong to a figure, given their distances right and down from its middle, and its radius."""


def _far(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
    import numpy as np

    return np.maximum(abs(x), abs(y))


SHAPES: Mapping[str, Figure] = MappingProxyType(
    {
        "disc": lambda x, y, r: x * x + y * y <= r * r,
        "ring": lambda x, y, r: (x * x + y * y <= r * r) & (x * x + y * y > (r - 3) ** 2),
        "square": lambda x, y, r: _far(x, y) < r,
        "frame": lambda x, y, r: (_far(x, y) < r) & (_far(x, y) >= r - 3),
        "diamond": lambda x, y, r: abs(x) + abs(y) <= r + 1,
        "triangle": lambda x, y, r: (2 * abs(x) <= y + r) & (y < r),
        "plus": lambda x, y, r: (_far(x, y) <= r) & ((abs(x) <= 1) | (abs(y) <= 1)),
        "cross": lambda x, y, r: (_far(x, y) <= r) & (abs(abs(x) - abs(y)) <= 1),
        "rows": lambda x, y, r: (_far(x, y) < r) & (y % 4 < 2),
        "columns": lambda x, y, r: (_far(x, y) < r) & (x % 4 < 2),
    }
)


def _drawn(figure: Figure, count: int, numbers: _Numbers) -> Pixels:
    """(count, 3, 32, 32): the figure at random places, sizes and colours, in noise."""
    import numpy as np

    at = np.arange(32)
    right, down = numbers.between(11, 20, 2, count, 1, 1)
    radius = numbers.between(5, 10, count, 1, 1)
    inside = figure(at[None, None, :] - right, at[None, :, None] - down, radius)  # (count, 32, 32)
    ground = numbers.between(70, 185, count, 3, 1, 1)
    contrast = numbers.between(*CONTRAST, count, 3, 1, 1) * (2 * numbers.between(0, 1, count, 3, 1, 1) - 1)
    noise = numbers.between(-NOISE, NOISE, count, 3, 32, 32)
    return np.clip(ground + contrast * inside[:, None] + noise, 0, 255).astype(np.uint8)


def _taking_turns(images: list[Pixels]) -> tuple[Tensor, Tensor]:
    """Images of several classes, one of each in turn, and their labels."""
    import numpy as np
    import torch

    together = np.stack(images, axis=1)  # (count, classes, 3, 32, 32)
    labels = torch.arange(len(images)).repeat(len(together))
    return torch.from_numpy(together.reshape(-1, *SHAPE)), labels
