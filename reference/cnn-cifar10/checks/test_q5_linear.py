"""Q5, hidden checks: other batches and other weights, drawn for each submission."""

import torch

from grader.compare import same


def uniform(shape, generator):
    return torch.rand(shape, generator=generator) * 2 - 1


def test_linear_batch_sizes(student, reference, seed):
    """linear is right on batches of other sizes, under other weights."""
    generator = torch.Generator().manual_seed(seed)
    weights = {"weight": uniform((30, 20), generator) / 20**0.5, "bias": uniform((30,), generator)}
    for batch in (1, 7, 64):
        x = uniform((batch, 20), generator)
        wanted = reference.run("linear", x, weights=weights)
        reshaped = x @ weights["weight"].reshape(20, 30) + weights["bias"]
        others = {"reshaping the weight, where it must be transposed,": reshaped}
        found, what = student.run("linear", x, weights=weights), f"The output of linear for a batch of {batch}"
        same(found, wanted, what, mistakes=others)
