"""The size that a window makes of a plane, against torch's own, and worked out in words."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from grader.model import Window
from grader.window import formulas, output_size, suspects

DILATED = Window(kernel=(3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1), plane=(50, 100))
sizes = st.tuples(st.integers(1, 4), st.integers(1, 4))


def test_the_formula_is_worked_out_for_both_sides() -> None:
    assert formulas(DILATED) == (
        "⌊(50 + 2·4 − 3·(3 − 1) − 1) / 2 + 1⌋ = 26",  # noqa: RUF001
        "⌊(100 + 2·2 − 1·(5 − 1) − 1) / 1 + 1⌋ = 100",  # noqa: RUF001
    )


@pytest.mark.parametrize("plane", [None, (1, 50)])
def test_nothing_comes_of_no_plane_or_one_that_is_too_small(plane: tuple[int, int] | None) -> None:
    window = DILATED.model_copy(update={"plane": plane, "padding": (0, 0)})
    assert (output_size(window), formulas(window)) == (None, ())


@pytest.mark.slow
@settings(deadline=None, derandomize=True)
@given(st.tuples(st.integers(1, 12), st.integers(1, 12)), sizes, sizes, sizes, sizes)
def test_the_size_is_torchs(plane: tuple[int, int], kernel, stride, padding, dilation) -> None:  # type: ignore[no-untyped-def]
    window = Window(kernel=kernel, stride=stride, padding=padding, dilation=dilation, plane=plane)
    if size := output_size(window):
        out = F.conv2d(torch.zeros(1, 1, *plane), torch.zeros(1, 1, *kernel), None, stride, padding, dilation)
        assert size == tuple(out.shape[2:])


def test_a_setting_that_alone_explains_the_size_is_suspected() -> None:
    asked = Window(kernel=(3, 5), stride=(2, 1), padding=(4, 2), plane=(50, 100))
    assert suspects(asked, (56, 50)) == ("stride",)
    assert suspects(asked, (28, 100)) == ()
    assert suspects(asked, (1, 1)) == ()
