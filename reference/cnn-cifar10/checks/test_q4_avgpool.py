"""Q4, hidden checks: other sizes, and planes of one number, whose average is that number whatever the window."""

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


def test_avg_square_other_inputs(student, reference, seed):
    """avg_pool_square is right on inputs of other sizes."""
    check_other_inputs(student, reference, "avg_pool_square", seed)


def test_avg_rectangle_other_inputs(student, reference, seed):
    """avg_pool_rectangle is right on inputs of other sizes."""
    check_other_inputs(student, reference, "avg_pool_rectangle", seed)


def test_avg_square_constant(student, reference):
    """avg_pool_square gives the average of equal numbers as that number."""
    compare(student, reference, "avg_pool_square", torch.full((2, 3, 4, 4), 7.0), " of equal numbers")


def test_avg_rectangle_constant(student, reference):
    """avg_pool_rectangle gives the average of equal numbers as that number."""
    compare(student, reference, "avg_pool_rectangle", torch.full((2, 3, 4, 4), 7.0), " of equal numbers")
