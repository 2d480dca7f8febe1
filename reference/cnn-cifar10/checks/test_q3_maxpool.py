"""Q3, hidden checks: other sizes, and planes without a positive number, where padding with zeros shows."""

import torch

from grader.compare import same


def check_other_inputs(student, reference, name, seed):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(3):
        batch, channels = torch.randint(1, 5, (2,), generator=generator).tolist()
        height, width = (2 * torch.randint(1, 9, (2,), generator=generator) + 1).tolist()  # odd: the windows fill them
        compare(student, reference, name, torch.rand((batch, channels, height, width), generator=generator) * 20 - 10)


def compare(student, reference, name, x, of=""):
    what = f"The output of {name} for an input of {tuple(x.shape)}{of}"
    same(student.run(name, x), reference.run(name, x), what)


def test_max_square_other_inputs(student, reference, seed):
    """max_pool_square is right on inputs of other sizes."""
    check_other_inputs(student, reference, "max_pool_square", seed)


def test_max_rectangle_other_inputs(student, reference, seed):
    """max_pool_rectangle is right on inputs of other sizes."""
    check_other_inputs(student, reference, "max_pool_rectangle", seed)


def test_max_square_negative(student, reference, seed):
    """max_pool_square finds the largest number where all are negative."""
    compare(student, reference, "max_pool_square", negative(seed), " without a positive number")


def test_max_rectangle_negative(student, reference, seed):
    """max_pool_rectangle finds the largest number where all are negative."""
    compare(student, reference, "max_pool_rectangle", negative(seed), " without a positive number")


def negative(seed):
    return -1 - torch.rand((2, 3, 4, 4), generator=torch.Generator().manual_seed(seed))
