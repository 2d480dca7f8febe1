"""Right solutions among whatever else stands in a notebook still get every point: drawn at random, the same every time.

Definitions in any order that Python allows, and between them what notebooks are full of. Many are only read and run
here, which is quick; test_submissions.py has a few graded by the real processes.
"""

from __future__ import annotations

import random

import pytest
import torch
from torch import nn

from grader.untrusted import answers
from tests.read import names, notebook_of, read

IMPORTS = ["import torch", "import torch.nn as nn", "import torch.nn.functional as F"]
DEFINITIONS = [  # in any order
    "conv_stride = nn.Conv2d(16, CHANNELS, 3, stride=2)",
    "def conv_padding(x, weight, bias):\n    return F.conv2d(x, weight, bias, stride=STEP, padding=(4, 2))",
    "class Dilated(nn.Conv2d):\n  def __init__(self):\n    super().__init__(16, 33, (3, 5), (2, 1), (4, 2), (3, 1))",
    "def relu(x):\n    return clipped(x)",
    "def clipped(x):\n    return x.clamp(min=0)",
    "def max_pool_square(x, kernel=3):\n    return F.max_pool2d(x, kernel, stride=2)",
    "max_pool_rectangle = nn.MaxPool2d((3, 2), (2, 1))",
    "avg_pool_square = lambda x: F.avg_pool2d(x, 3, 2)",
    "avg_pool_rectangle = nn.Sequential(nn.AvgPool2d((3, 2), STEP))",
    "linear = nn.Linear(20, 30)",
]
CONSTANTS = ["CHANNELS = 33", "STEP = (2, 1)"]  # before what uses them
ALIASES = ["conv_dilation = Dilated"]  # after what they name

NOISE = [
    "%matplotlib inline",
    "!pip install -q torchinfo",
    "%%bash\nrm -rf ~",
    "%%html\n<b>hello</b>",
    "print(undefined_name)",
    "import nowhere_at_all as nw\nnw.start()",
    "answer = input('continue?')",
    "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
    "raise SystemExit",
    "def broken(:\n    pass",
    "print 'Python 2'",
    "for epoch in range(10 ** 9):\n    optimizer.zero_grad()\n    loss.backward()",
    "trainset = torchvision.datasets.CIFAR10('.', download=True)\nloader = DataLoader(trainset)",
    "%%time\nwhile True:\n    optimizer.step()",
    "if __name__ == '__main__':\n    main()",
    "m = nn.Conv2d(16, 33, 3)\nm = nn.MaxPool2d(2)\nm(torch.randn(1, 1, 4, 4))",
    "from google.colab import drive\ndrive.mount('/content')",
    "model = torch.load('model.pth')",
    "1 / 0",
    "#md # Notes on the homework",
    "relu?",
    "x = torch.randn(5, 5)\nprint(relu(x))",
    "del conv_stride_copy",
    "with open('log.txt') as f:\n    print(f.read())",
]


def scrambled(seed: int) -> bytes:
    """The solution in another order, cut into cells at random, with a dozen cells of noise between."""
    draw = random.Random(seed)  # noqa: S311  # not for secrets
    free = list(DEFINITIONS)
    draw.shuffle(free)
    statements = [*CONSTANTS, *free, *ALIASES]
    cells = [[draw.choice([line, f"{line}  # needed"])] for line in IMPORTS]
    for statement in statements:
        if draw.random() < 0.5:
            cells.append([statement])
        else:
            cells[-1].append(statement)
    for noise in draw.sample(NOISE, 12):
        cells.insert(draw.randrange(len(cells) + 1), [noise])
    return notebook_of(*("\n".join(cell) for cell in cells))


def right() -> dict[str, nn.Module]:
    """The layers as they are asked for."""
    return {
        "conv_stride": nn.Conv2d(16, 33, 3, 2),
        "conv_padding": nn.Conv2d(16, 33, (3, 5), (2, 1), (4, 2)),
        "conv_dilation": nn.Conv2d(16, 33, (3, 5), (2, 1), (4, 2), (3, 1)),
        "relu": nn.ReLU(),
        "max_pool_square": nn.MaxPool2d(3, 2),
        "max_pool_rectangle": nn.MaxPool2d((3, 2), (2, 1)),
        "avg_pool_square": nn.AvgPool2d(3, 2),
        "avg_pool_rectangle": nn.AvgPool2d((3, 2), (2, 1)),
        "linear": nn.Linear(20, 30),
    }


@pytest.mark.parametrize("seed", range(60))
def test_a_right_solution_among_anything_else_is_right(seed: int) -> None:
    reading = read(scrambled(seed))
    assert {name: s["state"] for name, s in names(reading).items()} == dict.fromkeys(right(), "found"), names(reading)
    for name, layer in right().items():
        x = torch.rand((2, 20) if name == "linear" else (2, 16, 9, 11))
        run = answers.run_layer(name, reading.bound[name], [x], dict(layer.state_dict()))
        torch.testing.assert_close(run.output, layer(x).detach())
