"""Are two tensors the same, and how to say so to a student. Trusted side; used by the checks.

A message tells how far an answer is off and where, never what the answer would have been.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

Size = int | tuple[int, int]


class Mismatch(AssertionError):
    """An answer differs from what was wanted; its text is a message for the student."""


def same(found: Tensor, expected: Tensor, what: str, formula: str = "", rtol: float = 1e-4, atol: float = 1e-5) -> None:
    """Raise Mismatch unless `found` has the shape and dtype of `expected` and is close to it, element by element.

    `what` names the tensor for the student ("the output of relu"); `formula` explains the wanted shape and is shown
    only where the shape is wrong.
    """
    same_shape(found, expected.shape, what, formula)
    _same_dtype(found, expected, what)
    _all_finite(found, expected, what)
    close = torch.isclose(found, expected, rtol=rtol, atol=atol, equal_nan=True)
    if not bool(close.all()):
        raise Mismatch(_difference(found, expected, ~close, what) + _allowed(rtol, atol))


def same_shape(found: Tensor, expected: Sequence[int], what: str, formula: str = "") -> None:
    """Raise Mismatch unless `found` has the shape `expected`; `formula` tells where that shape comes from."""
    if tuple(found.shape) == tuple(expected):
        return
    text = f"{what} has the shape {tuple(found.shape)}, but {tuple(expected)} was wanted."
    raise Mismatch(f"{text} The wanted size is {formula}." if formula else text)


def _same_dtype(found: Tensor, expected: Tensor, what: str) -> None:
    if found.dtype != expected.dtype:
        raise Mismatch(
            f"{what} has the type {found.dtype}, but {expected.dtype} was wanted: keep the type of the input."
        )


def _all_finite(found: Tensor, expected: Tensor, what: str) -> None:
    """NaN and infinities are told apart from ordinary differences: they have other causes."""
    wrong = ~torch.isfinite(found) & torch.isfinite(expected)
    if not bool(wrong.any()):
        return
    nan = int((torch.isnan(found) & wrong).sum())
    raise Mismatch(
        f"{what} holds {nan} NaN and {int(wrong.sum()) - nan} infinite of {found.numel()} elements, "
        f"the first at {_index(wrong.flatten().int().argmax(), wrong)}; finite numbers were wanted."
    )


def _difference(found: Tensor, expected: Tensor, wrong: Tensor, what: str) -> str:
    gap = (found.double() - expected.double()).abs().nan_to_num(nan=torch.inf, posinf=torch.inf)
    gap = gap.masked_fill(~wrong, -1.0)
    at = gap.flatten().argmax()
    count, total = int(wrong.sum()), found.numel()
    return (
        f"{what} differs in {count} of {total} elements; the largest difference is "
        f"{float(gap.flatten()[at]):.4g}, at index {_index(at, wrong)}"
    )


def _allowed(rtol: float, atol: float) -> str:
    return f"; {atol:g} + {rtol:g} x |wanted value| was allowed."


def _index(flat: Tensor, like: Tensor) -> tuple[int, ...]:
    """The index of a flat position in a tensor shaped as `like`."""
    return tuple(int(i) for i in torch.unravel_index(flat, like.shape))


def _pair(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def conv2d_shape(
    input_hw: Size, kernel: Size, stride: Size = 1, padding: Size = 0, dilation: Size = 1
) -> tuple[int, int]:
    """Height and width that a convolution gives; ValueError where the window does not fit into the padded input."""
    h, w = (
        (i + 2 * p - d * (k - 1) - 1) // s + 1
        for i, k, s, p, d in zip(*map(_pair, (input_hw, kernel, stride, padding, dilation)), strict=True)
    )
    if h < 1 or w < 1:
        raise ValueError(f"a window of {_pair(kernel)} with dilation {dilation} does not fit into {input_hw}")
    return h, w


def pool2d_shape(input_hw: Size, kernel: Size, stride: Size | None = None, padding: Size = 0) -> tuple[int, int]:
    """Height and width that a pooling gives (rounded down); without a stride, windows lie side by side."""
    return conv2d_shape(input_hw, kernel, kernel if stride is None else stride, padding)


def _both(sides: Iterable[str]) -> str:
    return ", ".join(f"{name}: {side}" for name, side in zip(("height", "width"), sides, strict=True))


def conv2d_formula(input_hw: Size, kernel: Size, stride: Size = 1, padding: Size = 0, dilation: Size = 1) -> str:
    """The formula of `conv2d_shape` with its numbers filled in, height and width."""
    sizes = conv2d_shape(input_hw, kernel, stride, padding, dilation)
    numbers = zip(*map(_pair, (input_hw, kernel, stride, padding, dilation)), sizes, strict=True)
    return _both(f"floor(({i} + 2*{p} - {d}*({k} - 1) - 1) / {s} + 1) = {size}" for i, k, s, p, d, size in numbers)


def pool2d_formula(input_hw: Size, kernel: Size, stride: Size | None = None, padding: Size = 0) -> str:
    """The formula of `pool2d_shape` with its numbers filled in, height and width."""
    stride = kernel if stride is None else stride
    sizes = pool2d_shape(input_hw, kernel, stride, padding)
    numbers = zip(*map(_pair, (input_hw, kernel, stride, padding)), sizes, strict=True)
    return _both(f"floor(({i} + 2*{p} - {k}) / {s} + 1) = {size}" for i, k, s, p, size in numbers)
