"""Q6, public checks: the network's parts, read from the graph of its operations."""

import torch

from grader.compare import same_shape
from grader.graph import structure

PARAMETERS = 62_006
SHOWN = 4  # layers in one message
SOFTMAX = (
    "LeNet ends with {}. nn.CrossEntropyLoss takes the softmax itself; a second one flattens the gradients, and the "
    "network learns more slowly. It costs no point here, but accuracy: leave it out."
)


def test_lenet_output(student, seed, award):
    """LeNet gives ten scores for each image."""
    network = student.network("LeNet")
    scores = network.run(torch.randn((4, 3, 32, 32), generator=torch.Generator().manual_seed(seed)))
    same_shape(scores, (4, 10), "The output of LeNet for 4 images")
    if head := structure.softmax_head(network.steps):
        award(1.0, SOFTMAX.format(head))


def test_lenet_convolutions(student):
    """LeNet has two 5 x 5 convolutions, 3 to 6 and 6 to 16 channels."""
    found = [described(c) for c in convolutions(student.network("LeNet").steps)]
    wanted = ["5 x 5, 3 to 6 channels", "5 x 5, 6 to 16 channels"]
    assert found == wanted, (
        f"LeNet has {listed(found, 'convolution')}; wanted are two: {'; '.join(wanted)}. Give nn.Conv2d these numbers."
    )


def test_lenet_poolings(student):
    """LeNet has two poolings that halve height and width."""
    steps = student.network("LeNet").steps
    found = [f"{plane(steps[s.inputs[0]])} to {plane(s)}" for s in structure.poolings(steps)]
    assert found == ["28 x 28 to 14 x 14", "10 x 10 to 5 x 5"], (
        f"LeNet has {listed(found, 'pooling')}; wanted are two with a window of 2 x 2, one after each convolution: "
        "28 x 28 to 14 x 14; 10 x 10 to 5 x 5. Planes of other sizes mean that a convolution has padding or another "
        "window."
    )


def test_lenet_linears(student):
    """LeNet has fully connected layers 400 to 120 to 84 to 10."""
    found = [f"{i} to {o}" for i, o in fully_connected(student.network("LeNet").steps)]
    assert found == ["400 to 120", "120 to 84", "84 to 10"], (
        f"LeNet has {listed(found, 'fully connected layer')}; wanted are three: 400 (that is 16 x 5 x 5) to 120, 120 "
        "to 84, and 84 to 10."
    )


def test_lenet_relu(student):
    """LeNet has ReLU after every layer but the last."""
    steps = student.network("LeNet").steps
    found = structure.activations(steps)
    others = sorted(set(found) - {"relu", "softmax", "log_softmax"})  # a softmax is spoken of elsewhere
    count = found.get("relu", 0)
    assert not others, (
        f"LeNet uses {' and '.join(others)} between its layers; the assignment asks for ReLU. Put nn.ReLU or "
        "F.relu there."
    )
    assert steps[-1].op != "relu", (
        "LeNet's scores go through a ReLU, so none of them can be negative and the gradient of many is 0. End with the "
        "last fully connected layer."
    )
    assert count >= 4, (
        f"LeNet uses ReLU {times(count)}; wanted is four times, after each convolution and after the first two fully "
        "connected layers. Two layers with nothing between them can do no more than one."
    )


def test_lenet_parameters(student):
    """LeNet has 62,006 parameters."""
    found = student.network("LeNet").parameter_count
    assert found == PARAMETERS, (
        f"LeNet has {found:,} parameters; wanted are {PARAMETERS:,}, biases included. Layers of other sizes, layers "
        "without bias and normalisation change the number."
    )


def convolutions(steps):
    """The convolutions, without those that are fully connected layers in other words."""
    return [s for s in structure.convolutions(steps) if not covers_plane(steps, s)]


def covers_plane(steps, convolution):
    """Whether the window is the whole plane, as in the 1998 paper's C5: then it connects everything with everything."""
    return convolution.tensor_shapes[0][2:] == steps[convolution.inputs[0]].shape[1:]


def fully_connected(steps):
    """(inputs, outputs) of each, in order."""
    wide = [
        (s.id, numbers(steps[s.inputs[0]]), s.shape[0]) for s in structure.convolutions(steps) if covers_plane(steps, s)
    ]
    plain = [(s.id, steps[s.inputs[0]].shape[-1], s.shape[-1]) for s in structure.linears(steps)]
    return [(i, o) for _, i, o in sorted(wide + plain)]


def numbers(step):
    return torch.Size(step.shape).numel()


def described(convolution):
    out, inside, *window = convolution.tensor_shapes[0]
    return f"{' x '.join(map(str, window))}, {inside * convolution.arguments['groups']} to {out} channels"


def plane(step):
    return " x ".join(str(size) for size in step.shape[1:])


def listed(found, what):
    """ "no convolution", "1 convolution (5 x 5, ...)", "2 convolutions (...; ...)"; the first few of many."""
    if not found:
        return f"no {what}"
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"{len(found)} {what}{'s' if len(found) > 1 else ''} ({'; '.join(found[:SHOWN])}{more})"


def times(count):
    return {0: "nowhere", 1: "once", 2: "twice"}.get(count, f"{count} times")
