"""Q7, public checks: the parts that make an EfficientNet, read from the graph of the network's operations.

Sizes are free: what is asked for is that the parts are there, about one block for each of the seven stages of table 1
of arXiv 1905.11946. A network with fewer gets its share.
"""

import pytest
import torch

from grader.compare import same_shape
from grader.graph import structure

STAGES = 7
SOFTMAX = (
    "EfficientNet ends with {}. nn.CrossEntropyLoss takes the softmax itself; a second one flattens the gradients, and "
    "the network learns more slowly. It costs no point here, but accuracy: leave it out."
)


def test_efficientnet_output(student, seed, award):
    """EfficientNet gives ten scores for each image."""
    network = student.network("EfficientNet")
    scores = network.run(torch.randn((4, 3, 32, 32), generator=torch.Generator().manual_seed(seed)))
    same_shape(scores, (4, 10), "The output of EfficientNet for 4 images")
    head = structure.softmax_head(network.steps)
    size = f"EfficientNet has {network.parameter_count:,} parameters; B0 with ten classes usually has 4,020,358."
    award(1.0, SOFTMAX.format(head) if head else size)


def test_efficientnet_depthwise(student, award):
    """EfficientNet filters each channel alone, in depthwise convolutions."""
    found = len(structure.depthwise(student.network("EfficientNet").steps))
    share(found, STAGES, award, f"EfficientNet has {counted(found, 'depthwise convolution')} (groups = channels)")


def test_efficientnet_inverted_residuals(student, award):
    """EfficientNet is built of inverted residual blocks."""
    blocks = structure.inverted_residuals(student.network("EfficientNet").steps)
    told = f"EfficientNet has {counted(len(blocks), 'inverted residual block')} (expand, depthwise, project linearly)"
    share(len(blocks), STAGES, award, told)
    if blocks and not any(block.skip for block in blocks):
        award(
            min(1, len(blocks) / STAGES) / 2,
            f"{told}, but in none is the input added to the output: half the points. Add it where stride and channels "
            "allow, which is the residual of the name.",
        )


def test_efficientnet_squeeze_excitation(student, award):
    """EfficientNet weighs its channels by squeeze-and-excitation."""
    steps = student.network("EfficientNet").steps
    found, wanted = len(structure.squeeze_excitations(steps)), max(len(structure.inverted_residuals(steps)), STAGES)
    told = f"EfficientNet has {counted(found, 'squeeze-and-excitation')} (mean, reduce, expand, sigmoid, multiply)"
    share(found, wanted, award, told)


@pytest.mark.requires("test_efficientnet_depthwise")
def test_efficientnet_silu(student):
    """EfficientNet uses SiLU."""
    steps = student.network("EfficientNet").steps
    found = structure.activations(steps)
    others = {name: n for name, n in found.items() if name not in ("silu", "sigmoid", "softmax", "log_softmax")}
    silu = found.get("silu", 0)
    wanted = max(len(structure.depthwise(steps)), 1)
    used = " and ".join(f"{name} {times(n)}" for name, n in sorted(others.items())) or "no other activation"
    assert silu >= wanted, (
        f"EfficientNet uses SiLU {times(silu)}, and {used}; wanted is SiLU (nn.SiLU, also called swish) at least "
        f"once for each of its depthwise convolutions, {times(wanted)} here."
    )
    assert silu > max(others.values(), default=0), (
        f"EfficientNet uses SiLU {times(silu)}, but also {used}; SiLU (nn.SiLU, also called swish) is its activation: "
        "use it everywhere but in the gates of squeeze-and-excitation."
    )


@pytest.mark.requires("test_efficientnet_depthwise")
def test_efficientnet_normalisation(student, award):
    """EfficientNet normalises after its convolutions."""
    steps = student.network("EfficientNet").steps
    inside = {i for s in structure.squeeze_excitations(steps) for i in (s.reduce, s.expand)}
    wanted = len([s for s in structure.convolutions(steps) if s.id not in inside])
    found = len([s for s in structure.normalisations(steps) if s.op == "batch_norm"])
    told = f"EfficientNet has {counted(found, 'batch normalisation')} and {counted(wanted, 'convolution')} to follow"
    share(found, max(wanted, 1), award, f"{told} (those of squeeze-and-excitation apart)")


def share(found, wanted, award, told):
    """All points for `wanted` or more, none for 0, and in between the share that is there."""
    assert found, f"{told}; wanted are at least {wanted}. Table 1 of arXiv 1905.11946 lists the blocks."
    if found < wanted:
        award(found / wanted, f"{told}; all points are for at least {wanted}.")


def counted(count, what):
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"


def times(count):
    return {0: "nowhere", 1: "once", 2: "twice"}.get(count, f"{count} times")
