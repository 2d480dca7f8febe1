"""Q1, hidden checks: other inputs and other weights, drawn for each submission, the same for the reference.

The weights are given rather than the student's own, so that a function of input, weight and bias is asked the same as a
layer object; either way the order of random draws can fail nobody.
"""

import torch

from grader.compare import same

KERNELS = {"conv_stride": (3, 3), "conv_padding": (3, 5), "conv_dilation": (3, 5)}


def check_other_inputs(student, reference, name, seed):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(3):
        batch = int(torch.randint(1, 4, (), generator=generator))
        height, width = torch.randint(9, 40, (2,), generator=generator).tolist()
        x = uniform((batch, 16, height, width), generator)
        weights = draw_weights(KERNELS[name], generator)
        wanted = reference.run(name, x, weights=weights)
        turned = reference.run(name, x, weights=weights | {"weight": weights["weight"].flip(2, 3)})
        found, what = student.run(name, x, weights=weights), f"The output of {name} for an input of {tuple(x.shape)}"
        same(found, wanted, what, mistakes={"the layer with its windows turned round": turned})


def draw_weights(kernel, generator):
    scale = (16 * kernel[0] * kernel[1]) ** -0.5  # keeps the sums near 1
    return {"weight": uniform((33, 16, *kernel), generator) * scale, "bias": uniform((33,), generator)}


def uniform(shape, generator):
    return torch.rand(shape, generator=generator) * 2 - 1


def test_stride_other_inputs(student, reference, seed):
    """conv_stride is right on inputs of other sizes, under other weights."""
    check_other_inputs(student, reference, "conv_stride", seed)


def test_padding_other_inputs(student, reference, seed):
    """conv_padding is right on inputs of other sizes, under other weights."""
    check_other_inputs(student, reference, "conv_padding", seed)


def test_dilation_other_inputs(student, reference, seed):
    """conv_dilation is right on inputs of other sizes, under other weights."""
    check_other_inputs(student, reference, "conv_dilation", seed)
