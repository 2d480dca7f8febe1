"""Are two tensors the same, and how to say so to a student. Trusted side; used by the checks.

A message tells how far an answer is off and where, never what the answer would have been.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from grader import difference
from grader.model import Difference

Size = int | tuple[int, int]


class Mismatch(AssertionError):
    """An answer differs from what was wanted; its text is a message for the student, `difference` its picture."""

    def __init__(self, message: str, difference: Difference | None = None) -> None:
        super().__init__(message)
        self.difference = difference


def same(
    found: Tensor,
    expected: Tensor,
    what: str,
    formula: str = "",
    rtol: float = 1e-4,
    atol: float = 1e-5,
    asked: str = "",
    mistakes: Mapping[str, Tensor] = MappingProxyType({}),
) -> None:
    """Raise Mismatch unless `found` has the shape and dtype of `expected` and is close to it, element by element.

    `what` names the tensor for the student ("the output of relu"), `asked` repeats what the assignment asked for;
    `formula` explains the wanted shape and is shown only where the shape is wrong. `mistakes` are outputs of likely
    mistakes, by what makes them ("average pooling"): where one of them was handed in, the message says so.
    """
    same_shape(found, expected.shape, what, formula, asked)
    _same_dtype(found, expected, what)
    _all_finite(found, expected, what)
    close = torch.isclose(found, expected, rtol=rtol, atol=atol, equal_nan=True)
    if not bool(close.all()):
        text = _difference(found, expected, ~close, what) + _allowed(rtol, atol)
        message = _joined(text, _asked_for(asked), _mistake(found, mistakes) or _where(~close))
        raise Mismatch(message, difference.between(found, expected, ~close))


def same_shape(
    found: Tensor, expected: Sequence[int], what: str, formula: str = "", asked: str = "", hint: str = ""
) -> None:
    """Raise Mismatch unless `found` has the shape `expected`.

    `formula` tells where that shape comes from, `asked` what the assignment asked for; `hint`, a sentence, what may
    have been done instead.
    """
    if tuple(found.shape) == tuple(expected):
        return
    text = f"{what} has the shape {tuple(found.shape)}, but {tuple(expected)} was wanted."
    size = f"The wanted size is {formula}." if formula else ""
    message = _joined(text, _asked_for(asked), size, hint or _reshaped(tuple(found.shape), tuple(expected)))
    raise Mismatch(message, difference.of_shapes(found.shape, expected))


def _joined(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _asked_for(asked: str) -> str:
    return f"Asked for: {asked}." if asked else ""


def _reshaped(found: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """What a wrong shape has in common with the wanted one, and where to look."""
    if found == expected[1:]:
        return "The first dimension, which counts the images, is lacking: look for a squeeze or an index too many."
    if len(found) == 4 and found[:2] == expected[:2]:  # images and channels are right
        return EXCHANGED if found[2:] == expected[:1:-1] else COMPARE_SETTINGS
    if sorted(found) == sorted(expected):
        return "The sizes are right, but their order is not: look for a transpose, permute or t() too many."
    if math.prod(found) == math.prod(expected):
        return "The number of elements is right: look for a reshape, view, flatten or squeeze too many."
    return COMPARE_SETTINGS


EXCHANGED = (
    "Height and width are exchanged: the first number of a window, stride, padding or dilation is for rows. "
    "If they are right, look for a transpose."
)
COMPARE_SETTINGS = (
    "Print the shapes of the input and of the output, and compare the layer's settings with those asked for."
)


def _mistake(found: Tensor, mistakes: Mapping[str, Tensor]) -> str:
    """The known mistake that gives just these numbers."""
    for name, numbers in mistakes.items():
        if numbers.shape == found.shape and torch.allclose(found, numbers.to(found.dtype), rtol=1e-3, atol=1e-5):
            return f"These are the numbers that {name} gives."
    return ""


def _where(wrong: Tensor) -> str:
    """Where the wrong elements lie, and what to do next."""
    inside = wrong[..., 1:-1, 1:-1] if wrong.dim() > 2 else wrong  # rows and columns of planes
    if inside.numel() and not bool(inside.any()):
        return (
            "All of them lie at the border of the planes: look at the padding, and at a pooling's ceil_mode and "
            "count_include_pad."
        )
    return "Work this element out by hand from its input, and compare."


def _same_dtype(found: Tensor, expected: Tensor, what: str) -> None:
    if found.dtype != expected.dtype:
        raise Mismatch(
            f"{what} has the type {found.dtype}, but {expected.dtype} was wanted: keep the type of the input, without "
            "double(), long() or numpy on the way."
        )


def _all_finite(found: Tensor, expected: Tensor, what: str) -> None:
    """NaN and infinities are told apart from ordinary differences: they have other causes."""
    wrong = ~torch.isfinite(found) & torch.isfinite(expected)
    if not bool(wrong.any()):
        return
    nan = int((torch.isnan(found) & wrong).sum())
    raise Mismatch(
        f"{what} holds {nan} NaN and {int(wrong.sum()) - nan} infinite of {found.numel()} elements, "
        f"the first at {_index(wrong.flatten().int().argmax(), wrong)}; finite numbers were wanted. "
        "Look for a division by 0, a logarithm of 0, or torch.empty, whose numbers are whatever was in the memory.",
        difference.between(found, expected, wrong),
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


def window(kernel: Size, stride: Size = 1, padding: Size = 0, dilation: Size = 1) -> str:
    """A window as it is asked for, in words: "window 3 x 5, stride (2, 1), padding (4, 2), dilation 1"."""
    height, width = _pair(kernel)
    return f"window {height} x {width}, stride {stride}, padding {padding}, dilation {dilation}"


def likely(
    found_hw: Sequence[int],
    input_hw: Size,
    kernel: Size,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    pool: bool = False,
) -> str:
    """A sentence on the settings that, each changed alone, give the size that was found; "" where none does.

    `found_hw` are the last two sizes of the output. A `pool` may also have been told to round up.
    """
    asked: dict[str, Size] = {"window": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    causes: dict[str, str] = {}
    for name, value in _other_settings(asked):
        if _size({**asked, name: value}, input_hw) == tuple(found_hw):
            causes.setdefault(name, f"{name} {value}")
    numbers = zip(*map(_pair, (input_hw, kernel, stride, padding, dilation)), strict=True)
    rounded_up = [-(-(i + 2 * p - d * (k - 1) - 1) // s) + 1 for i, k, s, p, d in numbers]
    if not causes and _size({name: _pair(value)[::-1] for name, value in asked.items()}, input_hw) == tuple(found_hw):
        return "This size may come from rows and columns exchanged."
    said = [*causes.values(), *(["rounding up (ceil_mode)"] if pool and rounded_up == list(found_hw) else [])]
    return f"This size may come from {'one of these: ' * (len(said) > 1)}{'; '.join(said)}." if said else ""


def _size(settings: Mapping[str, Size], input_hw: Size) -> tuple[int, int] | None:
    try:
        return conv2d_shape(input_hw, *(settings[name] for name in ("window", "stride", "padding", "dilation")))
    except ValueError:
        return None


def _other_settings(asked: Mapping[str, Size]) -> list[tuple[str, Size]]:
    """Ways in which one setting is often mistaken: left at its default, swapped, or one off."""
    found: list[tuple[str, Size]] = []
    defaults: dict[str, tuple[Size, ...]] = {
        "stride": (1, 2, asked["window"]),
        "padding": (0, 1, 2),
        "dilation": (1, 2),
        "window": (2, 3, 5, 1),  # the nearest first: of several that give the size only one is named
    }
    for name, values in defaults.items():
        height, width = _pair(asked[name])
        swapped: tuple[Size, ...] = ((width, height),) if height != width else ()
        squares = (height, width)
        found += [(name, value) for value in (*swapped, *values, *squares) if _pair(value) != (height, width)]
    return found
