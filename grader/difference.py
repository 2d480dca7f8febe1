"""Where two tensors differ, as a small picture that holds no wanted value. Trusted side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from grader.model import Difference

MOST_CELLS = 24  # along each side of the picture: more could not be told apart on a phone


def of_shapes(found: Sequence[int], wanted: Sequence[int]) -> Difference:
    """Two shapes that differ; there is nothing to compare element by element."""
    return Difference(found_shape=tuple(found), wanted_shape=tuple(wanted))


def between(found: Tensor, wanted: Tensor, wrong: Tensor) -> Difference:
    """Two tensors of one shape that differ where `wrong` (bool, the same shape) says so, which is somewhere."""
    gap = (found.double() - wanted.double()).abs().nan_to_num(nan=torch.inf, posinf=torch.inf)
    gap = torch.where(wrong, gap.clamp(min=torch.finfo(torch.double).tiny), 0.0)
    largest = float(gap.max())
    index = tuple(int(i) for i in torch.unravel_index(gap.flatten().argmax(), gap.shape))
    plane = gap[index[:-2]] if gap.dim() > 2 else gap.reshape(-1, gap.shape[-1] if gap.dim() else 1)  # (H, W)
    cell = (math.ceil(plane.shape[0] / MOST_CELLS), math.ceil(plane.shape[1] / MOST_CELLS))
    return Difference(
        found_shape=tuple(found.shape),
        wanted_shape=tuple(wanted.shape),
        index=index,
        largest=largest if math.isfinite(largest) else None,
        tenths=_tenths(plane, cell, largest),
        cell=cell,
    )


def _tenths(plane: Tensor, cell: tuple[int, int], largest: float) -> tuple[str, ...]:
    """The plane (H, W) in cells, each a digit; beside an infinite difference the finite ones are all small."""
    coarse = F.max_pool2d(plane[None], cell, stride=cell, ceil_mode=True)[0]
    shares = coarse / largest if math.isfinite(largest) else torch.isinf(coarse).double()
    digits = torch.where(coarse > 0, (shares * 10).ceil().clamp(1, 9), 0.0).int()
    return tuple("".join(str(d) for d in row) for row in digits.tolist())
