"""Q5, public checks: two rows of 20 numbers, under stored weights."""

import pytest

from grader.compare import same, same_shape

ASKED = "20 numbers in, 30 out, with a bias"


def run(student, expected):
    weights = {"weight": expected["linear.weight"], "bias": expected["linear.bias"]}
    return student.run("linear", expected["linear.input"], weights=weights)


def test_linear_shape(student, expected):
    """linear gives an output of the right shape."""
    same_shape(run(student, expected), (2, 30), "The output of linear", asked=ASKED)


@pytest.mark.requires("test_linear_shape")
def test_linear_values(student, expected):
    """linear gives the right numbers under given weights."""
    wanted = expected["linear.output"]
    others = {
        "the layer without its bias": wanted - expected["linear.bias"],
        "the layer with a ReLU after it": wanted.clamp(min=0),
        "the layer with a softmax after it": wanted.softmax(1),
    }
    same(run(student, expected), wanted, "The output of linear", asked=ASKED, mistakes=others)
