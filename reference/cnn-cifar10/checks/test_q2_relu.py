"""Q2, hidden checks: the numbers where an almost right ReLU shows, and planes of other sizes."""

import torch

from grader.compare import same

EDGES = [0.0, -0.0, 1e-30, -1e-30, 1.0, -1.0, 5.999, 6.001, -6.0, 1e4, -1e4, 1e30, -1e30]


def test_relu_edges(student, reference):
    """relu is right at zero, very near it, and far from it on both sides."""
    x = torch.tensor([EDGES])
    same(student.run("relu", x), reference.run("relu", x), "The output of relu for very small and very large numbers")


def test_relu_other_shapes(student, reference, seed):
    """relu is right on planes of other sizes."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(3):
        height, width = torch.randint(1, 12, (2,), generator=generator).tolist()
        x = torch.rand((height, width), generator=generator) * 20 - 10
        same(student.run("relu", x), reference.run("relu", x), f"The output of relu for an input of {tuple(x.shape)}")
