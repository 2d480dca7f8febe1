"""Structure is found whatever the spelling, and not found where it is not."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from grader.graph import structure
from grader.graph.capture import capture
from grader.graph.rebuild import rebuild
from grader.graph.structure import Steps
from tests.networks import SHAPE, SPELLINGS, Block, EfficientNet, rebuilt

BY_HAND = ("efficientnet by hand", "squeeze by linear", "squeeze by mean")


def steps_of(model: nn.Module) -> Steps:
    form = capture(model, SHAPE)
    return rebuild(form.ir, form.tensors).steps


class Small(nn.Module):
    """A frame for one feature map function between a convolution and a linear layer."""

    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.first, self.inside, self.fc = nn.Conv2d(3, 8, 3, stride=4), inside, nn.Linear(8, 10)

    def forward(self, x):
        return self.fc(self.inside(self.first(x)).mean((2, 3)))


def test_structure_needs_no_torch() -> None:
    code = "import sys, grader.graph.structure; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_lenet_has_the_same_layers(name: str) -> None:
    steps = rebuilt(name).steps
    assert [s.tensor_shapes[0] for s in structure.convolutions(steps)] == [(6, 3, 5, 5), (16, 6, 5, 5)]
    assert [s.tensor_shapes[0] for s in structure.linears(steps)] == [(120, 400), (84, 120), (10, 84)]
    assert [s.op for s in structure.poolings(steps)] == ["max_pool2d", "max_pool2d"]
    assert structure.activations(steps) == {"relu": 4}
    assert structure.depthwise(steps) == structure.normalisations(steps) == structure.global_poolings(steps) == ()
    assert structure.squeeze_excitations(steps) == structure.inverted_residuals(steps) == ()
    assert structure.residual_additions(steps) == ()


class Standardised(nn.Module):
    """Layers whose weights are worked out anew each time, and one whose weight is a vector."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 3, stride=4), nn.Linear(8, 10)
        self.gate = nn.Parameter(torch.randn(8))

    def forward(self, x):
        weight = self.conv.weight - self.conv.weight.mean((1, 2, 3), keepdim=True)
        x = F.conv2d(x, weight, self.conv.bias, stride=4).mean((2, 3))
        return F.linear(x, self.fc.weight * 2, self.fc.bias) * F.linear(x, self.gate).unsqueeze(1)


def test_a_computed_weight_is_a_layers_weight() -> None:
    form = capture(Standardised(), SHAPE)
    net = rebuild(form.ir, form.tensors)
    assert [s.tensor_shapes[0] for s in structure.convolutions(net.steps)] == [(8, 3, 3, 3)]
    assert [layer.op for layer in net.layers if "->" in layer.op] == ["conv2d 3x3, 3 -> 8, stride 4", "linear 8 -> 10"]


class Constant(nn.Module):
    """Every kind of layer, of a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc, self.constant = nn.Conv2d(3, 8, 3), nn.Linear(16, 10), nn.Buffer(torch.randn(1, 3, 16, 16))

    def forward(self, x):
        conv, pooled, rows = self.conv(self.constant), F.max_pool2d(self.constant, 2), self.fc(self.constant)
        return x.mean((1, 2, 3))[:, None] * rows.mean((0, 1, 2)) + conv.sum() + pooled.sum()


def test_what_is_done_to_constants_is_no_layer() -> None:
    steps = steps_of(Constant())
    assert structure.convolutions(steps) == structure.poolings(steps) == structure.linears(steps) == ()


class Turned(nn.Module):
    """A fully connected layer as it stands in the lecture: a product with the turned weight."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(10, 3072))

    def forward(self, x):
        return x.flatten(1) @ self.w.T


def test_a_product_with_a_turned_weight_is_a_fully_connected_layer() -> None:
    steps = steps_of(Turned())
    assert [(steps[s.inputs[0]].shape, s.shape) for s in structure.linears(steps)] == [((3072,), (10,))]


@pytest.mark.slow
def test_torchvisions_efficientnet_b0_is_found_whole() -> None:
    steps = rebuilt("efficientnet_b0").steps
    blocks = structure.inverted_residuals(steps)
    assert structure.stages(blocks) == (1, 2, 2, 3, 3, 4, 1)
    assert [b.out_channels for b in blocks[::3]] == [16, 40, 80, 112, 192, 320]
    assert sum(b.skip for b in blocks) == len(structure.residual_additions(steps)) == 9
    assert [b.expansion is None for b in blocks] == [True] + [False] * 15
    assert all(b.squeeze_excitation for b in blocks)
    assert len(structure.squeeze_excitations(steps)) == len(structure.depthwise(steps)) == 16
    assert structure.activations(steps) == {"silu": 49, "sigmoid": 16}
    assert len(structure.normalisations(steps)) == 49
    assert structure.softmax_head(steps) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", BY_HAND)
def test_a_hand_written_one_is_found_in_every_spelling(name: str) -> None:
    steps = rebuilt(name).steps
    blocks = structure.inverted_residuals(steps)
    assert [(b.in_channels, b.expanded, b.out_channels) for b in blocks] == [(32, 32, 16), (16, 96, 24), (24, 144, 24)]
    assert [(b.kernel_size, b.stride, b.skip) for b in blocks] == [
        *(((3, 3), 1, False), ((5, 5), 2, False), ((5, 5), 1, True)),
    ]
    assert [e.reduced for e in structure.squeeze_excitations(steps)] == [8, 4, 6]
    assert [b.squeeze_excitation for b in blocks] == list(structure.squeeze_excitations(steps))


@pytest.mark.slow
def test_silu_is_found_as_a_product() -> None:
    assert structure.activations(rebuilt("efficientnet by hand").steps) == {"silu": 10, "sigmoid": 3}


@pytest.mark.slow
def test_resnet_has_additions_but_no_inverted_residuals() -> None:
    steps = rebuilt("resnet18").steps
    assert len(structure.residual_additions(steps)) == 8
    assert len(structure.convolutions(steps)) == 20
    assert structure.inverted_residuals(steps) == structure.squeeze_excitations(steps) == ()


@pytest.mark.parametrize(("name", "head"), [("softmax", "softmax"), ("log_softmax", "log_softmax"), ("in place", None)])
def test_the_head_is_recognised(name: str, head: str | None) -> None:
    assert structure.softmax_head(rebuilt(name).steps) == head


def test_the_logarithm_of_softmax_is_log_softmax() -> None:
    class Head(nn.Module):
        def forward(self, x):
            return torch.log(F.softmax(x.flatten(1), 1))

    steps = steps_of(nn.Sequential(nn.Conv2d(3, 10, 32), Head()))
    assert structure.softmax_head(steps) == "log_softmax"


class Gate(nn.Module):
    """A product with a sigmoid that is not squeeze and excitation: nothing is pooled."""

    def __init__(self) -> None:
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(8, 2, 1), nn.Conv2d(2, 8, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.expand(F.relu(self.reduce(x))))


class ForeignGate(Gate):
    """Rescales another picture than the one it pooled."""

    def forward(self, x):
        pooled = F.adaptive_avg_pool2d(F.relu(x), 1)
        return x * torch.sigmoid(self.expand(F.relu(self.reduce(pooled))))


@pytest.mark.slow
@pytest.mark.parametrize("inside", [Gate, ForeignGate])
def test_other_gates_are_no_squeeze_and_excitation(inside: type[nn.Module]) -> None:
    assert structure.squeeze_excitations(steps_of(Small(inside()))) == ()


@pytest.mark.slow
def test_a_non_linearity_after_the_projection_is_no_inverted_residual() -> None:
    """MobileNetV1's separable block: depthwise, then 1x1, each with ReLU."""
    separable = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.ReLU(), nn.Conv2d(8, 8, 1), nn.ReLU6())
    steps = steps_of(Small(separable))
    assert len(structure.depthwise(steps)) == 1
    assert structure.inverted_residuals(steps) == ()
    assert structure.activations(steps) == {"relu": 1, "relu6": 1}


@pytest.mark.slow
def test_a_block_without_excitation_is_an_inverted_residual() -> None:
    """MobileNetV2's block."""
    wide = nn.Sequential(nn.Conv2d(8, 16, 1), nn.ReLU6(), nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.ReLU6())
    (block,) = structure.inverted_residuals(steps_of(Small(nn.Sequential(*wide, nn.Conv2d(16, 8, 1)))))
    assert block.expansion is not None
    assert block.squeeze_excitation is None
    assert not block.skip


@pytest.mark.slow
def test_grouped_is_not_depthwise() -> None:
    steps = steps_of(Small(nn.Conv2d(8, 8, 3, groups=4)))
    assert structure.depthwise(steps) == ()
    assert len(structure.convolutions(steps)) == 2


@pytest.mark.parametrize("squeeze", ["adaptive", "mean", "kernel"])
def test_global_pooling_is_found_in_every_spelling(squeeze: str) -> None:
    class Squeeze(nn.Module):
        def forward(self, x):
            if squeeze == "kernel":
                return F.avg_pool2d(x, x.shape[2:])
            return F.adaptive_avg_pool2d(x, 1) if squeeze == "adaptive" else x.mean((-2, -1), keepdim=True)

    steps = steps_of(nn.Sequential(nn.Conv2d(3, 8, 3), Squeeze(), nn.Flatten(), nn.Linear(8, 10)))
    assert len(structure.global_poolings(steps)) == len(structure.poolings(steps)) == 1


POOLED = {
    "reshape and maximum": ("max_pool2d", lambda x: x.reshape(len(x), 8, 4, 2, 4, 2).amax((3, 5))),
    "view and mean": ("avg_pool2d", lambda x: x.view(-1, 8, 4, 2, 4, 2).mean(dim=(-3, -1))),
    "unfold and mean": ("avg_pool2d", lambda x: x.unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5))),
    "rows that lie apart": ("", lambda x: x.reshape(len(x), 8, 2, 4, 4, 2).amax((2, 5))),
}


@pytest.mark.parametrize("spelling", POOLED)
def test_pooling_is_found_however_the_windows_are_cut(spelling: str) -> None:
    wanted, pool = POOLED[spelling]

    class Pooling(nn.Module):
        def forward(self, x):
            return pool(x)

    steps = steps_of(Small(Pooling()))
    found = [s for s in structure.poolings(steps) if s.op in ("max_pool2d", "avg_pool2d")]
    assert [(s.op, steps[s.inputs[0]].shape, s.shape) for s in found] == [(wanted, (8, 8, 8), (8, 4, 4))][
        : bool(wanted)
    ]


def test_clamps_are_relus() -> None:
    class Clamps(nn.Module):
        def forward(self, x):
            return F.hardtanh(x.clamp(min=0), 0, 6) + x.clamp(0, 6) + F.relu(x)

    assert structure.activations(steps_of(Small(Clamps()))) == {"relu": 2, "relu6": 2}


@pytest.mark.slow
def test_a_stage_of_blocks_is_counted() -> None:
    rows = ((1, 16, 1, 1, 3), (2, 24, 3, 2, 3))
    steps = steps_of(EfficientNet(rows))
    assert structure.stages(structure.inverted_residuals(steps)) == (1, 3)
    assert isinstance(EfficientNet(rows).blocks[0], Block)
