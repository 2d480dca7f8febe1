"""Q5, public checks: two rows of 20 numbers, under stored weights."""

import pytest

from grader.compare import same, same_shape


def run(student, expected):
    weights = {"weight": expected["linear.weight"], "bias": expected["linear.bias"]}
    return student.run("linear", expected["linear.input"], weights=weights)


def test_linear_shape(student, expected):
    """linear gives an output of the right shape."""
    same_shape(run(student, expected), (2, 30), "The output of linear")


@pytest.mark.requires("test_linear_shape")
def test_linear_values(student, expected):
    """linear gives the right numbers under given weights."""
    same(run(student, expected), expected["linear.output"], "The output of linear")
