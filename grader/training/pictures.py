"""Images in memory, and how a batch of them is made: which, shifted how far, on which side."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from grader.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images in memory, and how a batch of them is made. `mean` and `deviation` are of all their bytes."""

    pixels: Tensor  # (N H W, C) uint8
    labels: Tensor  # (N,) int64
    rows: Tensor  # (S, H): the rows to read for each of S shifts
    columns: Tensor  # (2 S, W): the columns to read for each shift, then the same mirrored
    mean: float
    deviation: float
    contiguous: bool

    def batch(self, draw: Tensor) -> tuple[Tensor, Tensor]:
        """The drawn images, (B, C, H, W) float32, and their labels, (B,)."""
        which, down, across = draw
        height, width = self.rows.shape[1], self.columns.shape[1]
        row = which[:, None] * height + self.rows[down]  # (B, H)
        place = row[:, :, None] * width + self.columns[across][:, None, :]  # (B, H, W)
        pixels = self.pixels.index_select(0, place.reshape(-1))  # copies whole pixels: three times as fast as indexing
        return self.scaled(pixels.view(*place.shape, -1)), self.labels[which]

    def scaled(self, pixels: Tensor) -> Tensor:
        """(B, H, W, C) bytes as (B, C, H, W) float32, in the memory order that the network is given."""
        images = pixels.permute(0, 3, 1, 2).to(torch.float32, memory_format=self.order)
        return images.sub_(self.mean).mul_(1 / self.deviation)

    @property
    def order(self) -> torch.memory_format:
        """How a batch lies in memory."""
        return torch.contiguous_format if self.contiguous else torch.channels_last


def pictures_of(images: Tensor, labels: Tensor, recipe: Recipe, device: str, contiguous: bool) -> Pictures:
    """Images (N, C, H, W) uint8 and labels (N,) as a training keeps them."""
    images = images.to(device)
    counts = torch.bincount(images.reshape(-1), minlength=256).double().cpu()  # whole numbers: no rounding to differ
    levels = torch.arange(256, dtype=torch.float64)
    mean = float((counts * levels).sum() / counts.sum())
    variance = float((counts * (levels - mean) ** 2).sum() / counts.sum())
    rows, columns = (_reflected(size, recipe.shift).to(device) for size in images.shape[2:])
    return Pictures(
        pixels=images.permute(0, 2, 3, 1).reshape(-1, images.shape[1]),
        labels=labels.to(device),
        rows=rows,
        columns=torch.cat([columns, columns.flip(1)]),
        mean=mean,
        deviation=math.sqrt(variance) or 1.0,
        contiguous=contiguous or not recipe.channels_last,
    )


def _reflected(size: int, shift: int) -> Tensor:
    """(2 shift + 1, size): the coordinates that each shift reads, mirrored at the borders without repeating them."""
    reach = torch.arange(-shift, shift + 1)[:, None] + torch.arange(size)
    return (size - 1) - ((size - 1) - reach.abs()).abs()
