"""Q7: EfficientNet-B0 with ten classes, 4,020,358 parameters.

After Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", arXiv 1905.11946, table 1.
The strides are the paper's, for images of 224 x 224: on 32 x 32 the last stages work on a single pixel. Keeping a
larger plane (a stem with stride 1) is better in the end and costs about four times the time, so the stock form is what
all are measured by. Stochastic depth, which the paper uses while training, is left out: it matters over
hundreds of epochs.
"""

from typing import NamedTuple

from torch import Tensor, nn


class Stage(NamedTuple):
    """A row of table 1: `layers` blocks, the first of which has the stride and changes the channels."""

    expansion: int
    kernel: int
    stride: int
    channels: int
    layers: int


STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
STAGES = (  # side of the plane for an input of 32 x 32, after each stage
    Stage(expansion=1, kernel=3, stride=1, channels=16, layers=1),  # 16
    Stage(expansion=6, kernel=3, stride=2, channels=24, layers=2),  # 8
    Stage(expansion=6, kernel=5, stride=2, channels=40, layers=2),  # 4
    Stage(expansion=6, kernel=3, stride=2, channels=80, layers=3),  # 2
    Stage(expansion=6, kernel=5, stride=1, channels=112, layers=3),  # 2
    Stage(expansion=6, kernel=5, stride=2, channels=192, layers=4),  # 1
    Stage(expansion=6, kernel=3, stride=1, channels=320, layers=1),  # 1
)


def convolution(c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution that keeps the plane (but for its stride), and its batch normalisation, which has the bias."""
    conv = nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(c_out))


class SqueezeExcitation(nn.Module):
    """Weighs the channels: each is multiplied by a number in (0, 1) that depends on the means of all."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.silu = nn.SiLU()
        self.excite = nn.Conv2d(squeezed, channels, 1)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        s = self.mean(x)  # (N, C, 1, 1)
        s = self.silu(self.squeeze(s))  # (N, S, 1, 1)
        s = self.sigmoid(self.excite(s))  # (N, C, 1, 1)
        return x * s


class MBConv(nn.Module):
    """Inverted residual: expand the channels, filter each alone, weigh them, project back, add the input if it fits."""

    def __init__(self, c_in: int, c_out: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = c_in * expansion
        layers: list[nn.Module] = []
        if expansion > 1:
            layers += [convolution(c_in, wide, 1), nn.SiLU()]
        layers += [convolution(wide, wide, kernel, stride, groups=wide), nn.SiLU()]
        layers += [SqueezeExcitation(wide, c_in // 4), convolution(wide, c_out, 1)]
        self.layers = nn.Sequential(*layers)
        self.residual = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) -> (N, c_out, H / stride, W / stride)."""
        return x + self.layers(x) if self.residual else self.layers(x)


class EfficientNet(nn.Module):
    """EfficientNet-B0. (N, 3, 32, 32) -> (N, 10)."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(convolution(3, STEM_CHANNELS, 3, stride=2), nn.SiLU())
        blocks: list[nn.Module] = []
        channels = STEM_CHANNELS
        for stage in STAGES:
            for i in range(stage.layers):
                stride = stage.stride if i == 0 else 1
                blocks.append(MBConv(channels, stage.channels, stage.expansion, stage.kernel, stride))
                channels = stage.channels
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(convolution(channels, HEAD_CHANNELS, 1), nn.SiLU())
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(HEAD_CHANNELS, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the classes."""
        x = self.stem(x)  # (N, 32, 16, 16)
        x = self.blocks(x)  # (N, 320, 1, 1)
        x = self.head(x)  # (N, 1280, 1, 1)
        x = self.mean(x).flatten(1)  # (N, 1280)
        return self.classifier(self.dropout(x))  # (N, 10)
