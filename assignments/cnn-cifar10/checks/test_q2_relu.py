"""Q2, public checks: a plane of 5 x 5."""

import pytest

from grader.compare import same, same_shape


def test_relu_shape(student, expected):
    """relu keeps the shape of its input."""
    same_shape(student.run("relu", expected["relu.input"]), (5, 5), "The output of relu")


@pytest.mark.requires("test_relu_shape")
def test_relu_values(student, expected):
    """relu gives the right numbers."""
    same(student.run("relu", expected["relu.input"]), expected["relu.output"], "The output of relu")
