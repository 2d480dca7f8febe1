"""Q2, hidden checks: the numbers where an almost right ReLU shows, and planes of other sizes."""

import torch

from grader.compare import same

EDGES = [0.0, -0.0, 1e-30, -1e-30, 1.0, -1.0, 5.999, 6.001, -6.0, 1e4, -1e4, 1e30, -1e30]


def test_relu_edges(student, reference):
    """relu is right at zero, very near it, and far from it on both sides."""
    x = torch.tensor([EDGES])
    what = "The output of relu for very small and very large numbers"
    same(student.run("relu", x), reference.run("relu", x), what, mistakes=mistakes(x))


def test_relu_other_shapes(student, reference, seed):
    """relu is right on planes of other sizes."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(3):
        height, width = torch.randint(1, 12, (2,), generator=generator).tolist()
        x = torch.rand((height, width), generator=generator) * 20 - 10
        what = f"The output of relu for an input of {tuple(x.shape)}"
        same(student.run("relu", x), reference.run("relu", x), what, mistakes=mistakes(x))


def mistakes(x):
    """What functions give that differ from ReLU on numbers that are small or large."""
    return {"ReLU6, which gives at most 6,": x.clamp(0, 6), "leaky ReLU": torch.where(x < 0, 0.01 * x, x)}
