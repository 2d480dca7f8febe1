"""Networks for the tests of grader.graph, as students write them, and what a short training of one gives."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from grader.graph.capture import Captured, capture
from grader.graph.rebuild import Network, rebuild

SHAPE = (3, 32, 32)


class LeNet(nn.Module):
    """The plain spelling: layers as attributes, functional relu."""

    def __init__(self, channels: int = 6) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, channels, 5)
        self.conv2 = nn.Conv2d(channels, 16, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def head(self, x):
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))

    def features(self, x):
        return self.pool(F.relu(self.conv2(self.pool(F.relu(self.conv1(x))))))

    def forward(self, x):
        return self.head(torch.flatten(self.features(x), 1))


def sequential() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


class WithModules(LeNet):
    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()

    def forward(self, x):
        x = self.pool(self.relu(self.conv1(x)))
        x = self.pool(self.relu(self.conv2(x)))
        return self.fc3(self.relu(self.fc2(self.relu(self.fc1(x.flatten(1))))))


class InPlace(LeNet):
    def forward(self, x):
        x = F.max_pool2d(torch.relu_(self.conv1(x)), (2, 2))
        x = F.max_pool2d(F.relu(self.conv2(x), inplace=True), kernel_size=2, stride=2)
        x = self.fc1(x.view(x.shape[0], -1)).relu_()
        return self.fc3(self.fc2(x).relu_())


class ViewMinusOne(LeNet):
    def forward(self, x):
        return self.head(self.features(x).view(-1, 16 * 5 * 5))


class ViewSize(LeNet):
    def forward(self, x):
        x = self.features(x)
        return self.head(x.view(x.size(0), -1))


class ShapeIf(LeNet):
    def forward(self, x):
        if x.dim() != 4 or x.shape[1] != 3:
            raise ValueError("wanted (N, 3, 32, 32)")
        x = self.features(x)
        x = x.reshape(x.shape[0], -1) if x.shape[-1] == 5 else x.mean((2, 3))
        return self.head(x)


class Prints(LeNet):
    def forward(self, x):
        x = self.features(x)
        print("features:", x.shape, x.mean())  # noqa: T201  # as students do
        return self.head(x.contiguous().view(-1, x.size(1) * 25))


class HardBatch(LeNet):
    def forward(self, x):
        return self.head(self.features(x).view(64, 400))


SPELLINGS: dict[str, Callable[[], nn.Module]] = {
    "attributes": LeNet,
    "sequential": sequential,
    "modules": WithModules,
    "in place": InPlace,
    "view(-1, 400)": ViewMinusOne,
    "view(size(0), -1)": ViewSize,
    "shape ifs": ShapeIf,
    "print": Prints,
    "hard batch": HardBatch,
}


class ReluAfterPool(LeNet):
    def features(self, x):
        return F.relu(self.pool(self.conv2(F.relu(self.pool(self.conv1(x))))))


class Softmax(LeNet):
    def forward(self, x):
        return F.softmax(super().forward(x), dim=-1)


class LogSoftmax(LeNet):
    def forward(self, x):
        return F.log_softmax(super().forward(x), dim=1)


class WithNorm(LeNet):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(6)

    def features(self, x):
        return self.pool(F.relu(self.conv2(self.pool(F.relu(self.norm(self.conv1(x)))))))


class NormDropout(nn.Module):
    """BatchNorm, GroupNorm, LayerNorm, dropout, GELU, hardswish, leaky ReLU, a cat, a chunk and an interpolation."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, stride=2, padding="valid")
        self.norm1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(4, 16)
        self.norm3 = nn.LayerNorm(32)
        self.fc = nn.Linear(32, 10)

    def forward(self, x):
        x = F.hardswish(self.norm1(self.conv1(x)), inplace=True)
        x = F.gelu(self.norm2(self.conv2(x)))
        a, b = F.interpolate(x, scale_factor=2.0, mode="bilinear").chunk(2, dim=1)
        x = torch.cat([a * torch.sigmoid(b), F.leaky_relu(b, 0.1)], 1)
        x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1)), 2)
        x = F.adaptive_avg_pool2d(F.dropout2d(x, 0.1, self.training), (2, 1)).flatten(1)
        return self.fc(F.dropout(self.norm3(x), 0.5, self.training))


class Excitation(nn.Module):
    """Squeeze and excitation in three spellings: "conv", "linear", "mean"."""

    def __init__(self, channels: int, reduced: int, spelling: str) -> None:
        super().__init__()
        self.spelling = spelling
        layer: Any = nn.Linear if spelling == "linear" else lambda a, b: nn.Conv2d(a, b, 1)
        self.reduce, self.expand = layer(channels, reduced), layer(reduced, channels)

    def forward(self, x):
        if self.spelling == "linear":
            s = F.adaptive_avg_pool2d(x, 1).view(x.size(0), -1)
            gate = torch.sigmoid(self.expand(F.relu(self.reduce(s))))
            return x * gate.view(x.size(0), x.size(1), 1, 1).expand_as(x)
        s = x.mean((2, 3), keepdim=True) if self.spelling == "mean" else F.adaptive_avg_pool2d(x, (1, 1))
        s = self.reduce(s)
        gate = self.expand(s * torch.sigmoid(s))
        return (F.hardsigmoid(gate) if self.spelling == "mean" else gate.sigmoid()) * x


class Block(nn.Module):
    """MBConv by hand, with SiLU as x * sigmoid(x) and stochastic depth by torch.rand."""

    def __init__(self, into: int, out: int, ratio: int, kernel: int, stride: int, spelling: str, drop: float) -> None:
        super().__init__()
        wide = into * ratio
        self.expand = nn.Conv2d(into, wide, 1, bias=False) if ratio != 1 else None
        self.norm0 = nn.BatchNorm2d(wide)
        self.depthwise = nn.Conv2d(wide, wide, kernel, stride, kernel // 2, groups=wide, bias=False)
        self.norm1 = nn.BatchNorm2d(wide)
        self.excitation = Excitation(wide, max(1, into // 4), spelling)
        self.project = nn.Conv2d(wide, out, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out)
        self.skip = stride == 1 and into == out
        self.drop = drop

    def forward(self, x):
        y = x
        if self.expand is not None:
            y = self.norm0(self.expand(y))
            y = y * torch.sigmoid(y)
        y = self.norm1(self.depthwise(y))
        y = self.excitation(y * y.sigmoid())
        y = self.norm2(self.project(y))
        if not self.skip:
            return y
        if self.training and self.drop:
            y = y / (1 - self.drop) * torch.floor(1 - self.drop + torch.rand(x.shape[0], 1, 1, 1))
        return x + y


class EfficientNet(nn.Module):
    """EfficientNet by hand; rows of (ratio, channels, blocks, stride, kernel)."""

    SMALL = ((1, 16, 1, 1, 3), (6, 24, 2, 2, 5))

    def __init__(self, rows=SMALL, spelling: str = "conv", drop: float = 0.2, head: int = 64) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), nn.SiLU())
        blocks, into = [], 32
        for ratio, out, count, stride, kernel in rows:
            for i in range(count):
                blocks.append(Block(into, out, ratio, kernel, stride if i == 0 else 1, spelling, drop))
                into = out
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Sequential(nn.Conv2d(into, head, 1, bias=False), nn.BatchNorm2d(head), nn.SiLU(inplace=True))
        self.classifier = nn.Linear(head, 10)

    def forward(self, x):
        x = self.last(self.blocks(self.stem(x)))
        return self.classifier(F.dropout(x.mean([-1, -2]), 0.2, self.training))


MODELS: dict[str, Callable[[], nn.Module]] = {
    **SPELLINGS,
    "norm and dropout": NormDropout,
    "resnet18": lambda: torchvision.models.resnet18(num_classes=10),
    "efficientnet_b0": lambda: torchvision.models.efficientnet_b0(num_classes=10),
    "efficientnet by hand": EfficientNet,
    "squeeze by linear": lambda: EfficientNet(spelling="linear"),
    "squeeze by mean": lambda: EfficientNet(spelling="mean"),
    "relu after pool": ReluAfterPool,
    "other kernel": lambda: other_kernel(),
    "other channels": lambda: LeNet(channels=8),
    "a norm": WithNorm,
    "softmax": Softmax,
    "log_softmax": LogSoftmax,
}


def other_kernel() -> nn.Module:
    model = LeNet()
    model.conv1 = nn.Conv2d(3, 6, 3, dilation=2)  # the same output size
    return model


def make(name: str, seed: int = 0) -> nn.Module:
    """A fresh network with its weights drawn from the seed."""
    torch.manual_seed(seed)
    return MODELS[name]()


@cache
def captured(name: str, seed: int = 0) -> Captured:
    """The network as captured; shared by the tests, which must not change it."""
    return capture(make(name, seed), SHAPE)


@cache
def rebuilt(name: str) -> Network:
    """The network as rebuilt, for questions; tests that train make their own."""
    return fresh(name)


def fresh(name: str) -> Network:
    form = captured(name)
    return rebuild(form.ir, form.tensors)


def short_training(net: nn.Module, batch: int = 16, **options: Any) -> tuple[list[float], Tensor]:
    """Losses of four SGD steps and the scores of 37 (or `batch`) images afterwards."""
    g = torch.Generator().manual_seed(3)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    losses = []
    torch.manual_seed(11)
    net.to(**options).train()
    for _ in range(4):
        x = torch.randn(batch, *SHAPE, generator=g).to(**options)
        loss = F.cross_entropy(net(x), torch.randint(0, 10, (batch,), generator=g))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    net.eval()
    with torch.inference_mode():
        return losses, net(torch.randn(64 if batch == 64 else 37, *SHAPE, generator=g))
