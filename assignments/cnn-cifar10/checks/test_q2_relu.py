"""Q2, public checks: a plane of 5 x 5."""

import pytest
import torch
from torch.nn import functional as F

from grader.compare import same, same_shape

ASKED = "of each number the larger of it and 0"


def test_relu_shape(student, expected):
    """relu keeps the shape of its input."""
    same_shape(student.run("relu", expected["relu.input"]), (5, 5), "The output of relu", asked=ASKED)


@pytest.mark.requires("test_relu_shape")
def test_relu_values(student, expected):
    """relu gives the right numbers."""
    x = expected["relu.input"]
    same(student.run("relu", x), expected["relu.output"], "The output of relu", asked=ASKED, mistakes=mistakes(x))


def mistakes(x):
    """What other functions than ReLU give."""
    return {
        "leaving the input as it is": x,
        "the absolute value": x.abs(),
        "the smaller of the number and 0": x.clamp(max=0),
        "leaky ReLU": F.leaky_relu(x),
        "ELU": F.elu(x),
        "GELU": F.gelu(x),
        "SiLU": F.silu(x),
        "sigmoid": torch.sigmoid(x),
        "tanh": torch.tanh(x),
    }
