"""Q1, public checks: shapes on the assignment's input, values on a small stored one, under stored weights."""

import pytest
import torch

from grader.compare import conv2d_formula, conv2d_shape, likely, same, same_shape, window

ASKED = {  # the layers as the assignment asks for them
    "conv_stride": {"kernel": 3, "stride": 2},
    "conv_padding": {"kernel": (3, 5), "stride": (2, 1), "padding": (4, 2)},
    "conv_dilation": {"kernel": (3, 5), "stride": (2, 1), "padding": (4, 2), "dilation": (3, 1)},
}


def check_shape(student, expected, name, seed):
    x = torch.rand((20, 16, 50, 100), generator=torch.Generator().manual_seed(seed)) * 2 - 1
    found = student.run(name, x, weights=weights(expected, name))
    shape = (20, 33, *conv2d_shape((50, 100), **ASKED[name]))
    formula = conv2d_formula((50, 100), **ASKED[name])
    hint = likely(found.shape[2:], (50, 100), **ASKED[name]) if found.dim() == 4 else ""
    same_shape(found, shape, f"The output of {name}", formula, window(**ASKED[name]), hint)


def check_values(student, expected, name):
    x = expected[f"{name}.input"]
    found = student.run(name, x, weights=weights(expected, name))
    formula = conv2d_formula(tuple(x.shape[2:]), **ASKED[name])
    wanted = expected[f"{name}.output"]
    others = {
        "the layer without its bias": wanted - expected[f"{name}.bias"].view(-1, 1, 1),
        "the layer with a ReLU after it": wanted.clamp(min=0),
    }
    same(found, wanted, f"The output of {name}", formula, asked=window(**ASKED[name]), mistakes=others)


def weights(expected, name):
    return {"weight": expected[f"{name}.weight"], "bias": expected[f"{name}.bias"]}


def test_stride_shape(student, expected, seed):
    """conv_stride gives an output of the right shape."""
    check_shape(student, expected, "conv_stride", seed)


@pytest.mark.requires("test_stride_shape")
def test_stride_values(student, expected):
    """conv_stride gives the right numbers under given weights."""
    check_values(student, expected, "conv_stride")


def test_padding_shape(student, expected, seed):
    """conv_padding gives an output of the right shape."""
    check_shape(student, expected, "conv_padding", seed)


@pytest.mark.requires("test_padding_shape")
def test_padding_values(student, expected):
    """conv_padding gives the right numbers under given weights."""
    check_values(student, expected, "conv_padding")


def test_dilation_shape(student, expected, seed):
    """conv_dilation gives an output of the right shape."""
    check_shape(student, expected, "conv_dilation", seed)


@pytest.mark.requires("test_dilation_shape")
def test_dilation_values(student, expected):
    """conv_dilation gives the right numbers under given weights."""
    check_values(student, expected, "conv_dilation")
