"""A window that slides over a plane: how large what it makes is, worked out so that a student can follow."""

from __future__ import annotations

from collections.abc import Sequence

from grader.model import Sizes, Window


def output_size(window: Window) -> Sizes | None:
    """Height and width of what the window makes of its plane; None where it does not fit into the padded plane."""
    if window.plane is None:
        return None
    height, width = (_outputs(window, window.plane[side], side) for side in (0, 1))
    return (height, width) if height > 0 and width > 0 else None


def formulas(window: Window) -> tuple[str, ...]:
    """The formula of the height and of the width with the numbers filled in; () where nothing comes out."""
    size = output_size(window)
    if window.plane is None or size is None:
        return ()
    return tuple(_formula(window, window.plane[side], side, size[side]) for side in (0, 1))


USUAL = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)}  # what a layer has where nothing is said
SETTINGS = ("kernel", "stride", "padding", "dilation")


def suspects(window: Window, found: Sequence[int]) -> tuple[str, ...]:
    """The settings of which one alone, left at what is usual or with its two numbers swapped, gives the size found."""
    return tuple(
        name
        for name in SETTINGS
        for asked in [getattr(window, name)]
        if any(
            other != asked and output_size(window.model_copy(update={name: other})) == tuple(found)
            for other in (USUAL.get(name, asked), asked[::-1])
        )
    )


def extent(window: Window, side: int) -> int:
    """How many rows (side 0) or columns (side 1) one position of the window spans, its gaps included."""
    return window.dilation[side] * (window.kernel[side] - 1) + 1


def padded(window: Window, side: int) -> int:
    """How many rows or columns the plane has with its padding on both sides."""
    return (window.plane[side] if window.plane else 0) + 2 * window.padding[side]


def _outputs(window: Window, size: int, side: int) -> int:
    return (size + 2 * window.padding[side] - extent(window, side)) // window.stride[side] + 1


def _formula(window: Window, size: int, side: int, result: int) -> str:
    p, d, k, s = (pair[side] for pair in (window.padding, window.dilation, window.kernel, window.stride))
    return f"⌊({size} + 2·{p} − {d}·({k} − 1) − 1) / {s} + 1⌋ = {result}"  # noqa: RUF001  # a minus sign
