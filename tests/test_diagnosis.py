"""Why a network does not take the question's images, told in its own numbers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from grader.untrusted import building, diagnosis
from grader.untrusted.shelf import described

SHAPE, CLASSES = (3, 32, 32), 10


def net(channels: int = 3, features: int = 400, classes: int = 10) -> nn.Sequential:
    pool, flat = nn.MaxPool2d(2), nn.Flatten()
    return nn.Sequential(
        nn.Conv2d(channels, 6, 5), pool, nn.Conv2d(6, 16, 5), nn.MaxPool2d(2), flat, nn.Linear(features, classes)
    )


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (
            net(features=256),
            "3 x 32 x 32 becomes: Conv2d 0 6 x 28 x 28, MaxPool2d 1 6 x 14 x 14, Conv2d 2 16 x 10 x 10,",
        ),
        (
            net(features=256),
            "5 takes 256 numbers for each image and gets 16 x 5 x 5 = 400: make it nn.Linear(400, 10).",
        ),
        (net(features=256), "It takes images of another size, 3 x 28 x 28; those of this question are 3 x 32 x 32."),
        (net(channels=1, features=256), "Conv2d 0 takes 1 channel and gets 3: make its first number 3."),
        (net(channels=1, features=256), "It takes the grey images of MNIST, 1 x 28 x 28; those of this question are"),
        (nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), "It takes the grey images of MNIST, 1 x 28 x 28"),
        (net(classes=100), "Its last layer, Linear 5, gives 100: make it nn.Linear(400, 10)."),
        (nn.Linear(5, 10), "the network takes 5 numbers for each image and gets 32."),
    ],
)
def test_the_sizes_on_the_way_and_the_next_step_are_told(model: nn.Module, told: str) -> None:
    assert told in diagnosis.why(model, SHAPE, CLASSES)


def test_a_list_of_sizes_that_goes_on_says_so() -> None:
    deep = nn.Sequential(*(nn.Conv2d(3 + i % 2, 3 + (i + 1) % 2, 1) for i in range(14)), nn.Linear(5, 10))
    assert "Conv2d 11 3 x 32 x 32, \N{HORIZONTAL ELLIPSIS}. " in diagnosis.why(deep, SHAPE, CLASSES)


def test_what_a_network_raises_is_told_with_the_diagnosis() -> None:
    with pytest.raises(RuntimeError) as raised:
        building.check_output("LeNet", net(features=256), SHAPE, CLASSES)
    message = described(raised.value)["message"]
    assert "mat1 and mat2 shapes cannot be multiplied (2x400 and 256x10). An image of 3 x 32 x 32 becomes" in message


class Odd(nn.Module):
    """Raises what no layer does, and has none."""

    def forward(self, x: Tensor) -> Tensor:
        raise KeyError(x.shape)


def test_a_network_without_layers_gets_no_diagnosis() -> None:
    assert diagnosis.why(Odd(), SHAPE, CLASSES) == ""


def test_a_network_that_was_looked_at_is_as_before() -> None:
    model = net(features=256).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    diagnosis.why(model, SHAPE, CLASSES)
    assert model.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
