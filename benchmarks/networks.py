"""The networks that are measured: the lecture's LeNet, and the reference's EfficientNet with planes of three sizes."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "reference" / "cnn-cifar10"
Make = Callable[[], nn.Module]


class LeNet(nn.Module):
    """The lecture's LeNet: 62,006 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)  # (N, 6, 14, 14)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # (N, 16, 5, 5)
        x = torch.flatten(x, 1)
        scores: Tensor = self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))
        return scores


def efficientnet(unstrided: int = 0) -> Make:
    """Makes the reference's EfficientNet-B0; the first `unstrided` convolutions with a stride of 2 have 1 instead.

    With 0 the last stages see planes of 1 x 1, with 1 of 2 x 2, with 2 of 4 x 4.
    """
    spec = importlib.util.spec_from_file_location("q7_efficientnet", REFERENCE / "q7_efficientnet.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def make() -> nn.Module:
        model: nn.Module = module.EfficientNet()
        strided = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.stride == (2, 2)]
        for convolution in strided[:unstrided]:
            convolution.stride = (1, 1)
        return model

    return make


def seeded(make: Make, seed: int = 0) -> nn.Module:
    """A network with the weights of a seed."""
    torch.manual_seed(seed)
    return make()
