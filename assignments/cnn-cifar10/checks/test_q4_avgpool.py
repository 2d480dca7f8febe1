"""Q4, public checks: the two windows on planes of 4 x 4."""

import pytest

from grader.compare import likely, pool2d_formula, pool2d_shape, same, same_shape, window

ASKED = {  # the windows as the assignment asks for them
    "avg_pool_square": {"kernel": 3, "stride": 2},
    "avg_pool_rectangle": {"kernel": (3, 2), "stride": (2, 1)},
}


def check_shape(student, expected, name):
    found = student.run(name, expected[f"{name}.input"])
    hint = likely(found.shape[2:], 4, **ASKED[name], pool=True) if found.dim() == 4 else ""
    shape = (2, 3, *pool2d_shape(4, **ASKED[name]))
    same_shape(found, shape, f"The output of {name}", pool2d_formula(4, **ASKED[name]), window(**ASKED[name]), hint)


def check_values(student, expected, name):
    x = expected[f"{name}.input"]
    found = student.run(name, x)
    formula = pool2d_formula(4, **ASKED[name])
    covered = windows(x, **ASKED[name])
    other = {"max pooling": covered.amax((-2, -1)), "adding up each window": covered.sum((-2, -1))}
    what, asked = f"The output of {name}", window(**ASKED[name])
    same(found, expected[f"{name}.output"], what, formula, asked=asked, mistakes=other)


def windows(x, kernel, stride):
    """The numbers that each window covers, (N, C, H, W, rows, columns)."""
    (rows, columns), (down, right) = (v if isinstance(v, tuple) else (v, v) for v in (kernel, stride))
    return x.unfold(2, rows, down).unfold(3, columns, right)


def test_avg_square_shape(student, expected):
    """avg_pool_square gives an output of the right shape."""
    check_shape(student, expected, "avg_pool_square")


@pytest.mark.requires("test_avg_square_shape")
def test_avg_square_values(student, expected):
    """avg_pool_square gives the right numbers."""
    check_values(student, expected, "avg_pool_square")


def test_avg_rectangle_shape(student, expected):
    """avg_pool_rectangle gives an output of the right shape."""
    check_shape(student, expected, "avg_pool_rectangle")


@pytest.mark.requires("test_avg_rectangle_shape")
def test_avg_rectangle_values(student, expected):
    """avg_pool_rectangle gives the right numbers."""
    check_values(student, expected, "avg_pool_rectangle")
