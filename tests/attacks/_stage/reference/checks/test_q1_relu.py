# $CANARY
import torch

from grader.compare import same


def test_hidden(student, reference, seed):
    """relu is right on numbers that were not shown."""
    x = torch.randn(64, generator=torch.Generator().manual_seed(seed))
    same(student.run("relu", x), reference.run("relu", x), "The output of relu")
