"""Q3, public checks: the two windows on planes of 4 x 4."""

import pytest

from grader.compare import pool2d_formula, pool2d_shape, same, same_shape

ASKED = {  # the windows as the assignment asks for them
    "max_pool_square": {"kernel": 3, "stride": 2},
    "max_pool_rectangle": {"kernel": (3, 2), "stride": (2, 1)},
}


def check_shape(student, expected, name):
    found = student.run(name, expected[f"{name}.input"])
    same_shape(
        found, (2, 3, *pool2d_shape(4, **ASKED[name])), f"The output of {name}", pool2d_formula(4, **ASKED[name])
    )


def check_values(student, expected, name):
    found = student.run(name, expected[f"{name}.input"])
    same(found, expected[f"{name}.output"], f"The output of {name}", pool2d_formula(4, **ASKED[name]))


def test_max_square_shape(student, expected):
    """max_pool_square gives an output of the right shape."""
    check_shape(student, expected, "max_pool_square")


@pytest.mark.requires("test_max_square_shape")
def test_max_square_values(student, expected):
    """max_pool_square gives the right numbers."""
    check_values(student, expected, "max_pool_square")


def test_max_rectangle_shape(student, expected):
    """max_pool_rectangle gives an output of the right shape."""
    check_shape(student, expected, "max_pool_rectangle")


@pytest.mark.requires("test_max_rectangle_shape")
def test_max_rectangle_values(student, expected):
    """max_pool_rectangle gives the right numbers."""
    check_values(student, expected, "max_pool_rectangle")
