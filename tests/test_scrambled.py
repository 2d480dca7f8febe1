"""Right solutions among whatever else stands in a notebook still get every point: drawn at random, the same every time.

Each answer in one of several spellings, their statements in any order that Python allows, and between them what
notebooks are full of. Many are only read and run here, which is quick; test_submissions.py has a few graded by the
real processes.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn

from grader.untrusted import answers
from tests.read import names, notebook_of, read

IMPORTS = [
    ["import torch", "import torch.nn as nn", "import torch.nn.functional as F"],
    ["import torch", "from torch import nn", "from torch.nn import functional as F"],
    ["import torch, torch.nn as nn; import torch.nn.functional as F"],
]
SPELLINGS = {  # each a few statements in this order; other statements may stand between them
    "conv_stride": [
        ["CHANNELS = 33", "conv_stride = nn.Conv2d(16, CHANNELS, 3, stride=2)"],
        ["conv_stride = nn.Conv2d(16, 33, 3)", "conv_stride.stride = (2, 2)"],
        ["conv_stride = nn.Conv2d(1, 1, 1)", "conv_stride = nn.Conv2d(16, 33, 3, stride=2)"],
        ["for step in (1, 2):\n    conv_stride = nn.Conv2d(16, 33, 3, stride=step)"],
        ["def show_stride():\n    conv_stride = nn.Conv2d(16, 33, 3, stride=2)\n    print(conv_stride)"],
        ["try:\n    conv_stride = my_library.Conv()\nexcept NameError:\n    conv_stride = nn.Conv2d(16, 33, 3, 2)"],
    ],
    "conv_padding": [
        [
            "STEP = (2, 1)",
            "def conv_padding(x, weight, bias):\n    return F.conv2d(x, weight, bias, stride=STEP, padding=(4, 2))",
        ],
        ["from functools import partial", "conv_padding = partial(nn.Conv2d, 16, 33, (3, 5), (2, 1), (4, 2))"],
        ["def conv_padding():\n\treturn nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2))"],
        ["layers = {}", "layers['pad'] = nn.Conv2d(16, 33, (3, 5), (2, 1), (4, 2))", "conv_padding = layers['pad']"],
        ["class Demo:\n  def __init__(self, lr=1):\n    self.conv_padding = nn.Conv2d(16, 33, (3, 5), (2, 1), (4, 2))"],
    ],
    "conv_dilation": [
        [
            "class Wide(nn.Conv2d):\n  def __init__(self):\n    super().__init__(16, 33, (3, 5), (2, 1), (4, 2), WIDE)",
            "WIDE = (3, 1)",
            "conv_dilation = Wide",
        ],
        [
            "settings = dict(stride=(2, 1), padding=(4, 2))",
            "settings['dilation'] = (3, 1)",
            "conv_dilation = nn.Conv2d(16, 33, (3, 5), **settings)",
        ],
        ["def dilated(d):\n    return nn.Conv2d(16, 33, (3, 5), (2, 1), (4, 2), d)", "conv_dilation = dilated((3, 1))"],
        ["if torch.__version__:\n    conv_dilation = nn.Conv2d(16, 33, (3, 5), (2, 1), (4, 2), (3, 1))"],
        ["conv_dilation: nn.Module = nn.Conv2d(16, 33, (3, 5), (2, 1), (4, 2), (3, 1)).to('cpu')"],
    ],
    "relu": [
        ["def relu(x):\n    return clipped(x)", "def clipped(x):\n    return x.clamp(min=0)"],
        ["relu = nn.ReLU()"],
        ["relu = lambda x: torch.where(x > 0, x, torch.zeros_like(x))"],
        ["def relu(x):\n    # 負數變成 0\n    return torch.maximum(x, torch.tensor(0.))"],
        ["class relu(nn.Module):\n    def forward(self, x):\n        return x * (x > 0)"],
    ],
    "max_pool_square": [
        ["def max_pool_square(x, kernel=3):\n    return F.max_pool2d(x, kernel, stride=2)"],
        ["max_pool_square = nn.Sequential(nn.MaxPool2d(3, stride=2))"],
        ["kernel = 3", "max_pool_square = nn.MaxPool2d(kernel, 2)", "kernel = 5"],
    ],
    "max_pool_rectangle": [
        ["max_pool_rectangle = nn.MaxPool2d((3, 2), (2, 1))"],
        [
            "max_pool_rectangle = None",
            "def make():\n    global max_pool_rectangle\n    max_pool_rectangle = nn.MaxPool2d((3, 2), (2, 1))",
            "make()",
        ],
        ["MaxPooling_Rectangle = nn.MaxPool2d(kernel_size=(3, 2), stride=(2, 1))"],
    ],
    "avg_pool_square": [
        ["avg_pool_square = lambda x: F.avg_pool2d(x, 3, 2)"],
        ["avgpool_square = nn.AvgPool2d(3, stride=2)"],
        ["pools = [nn.AvgPool2d(k, 2) for k in (2, 3)]", "_, avg_pool_square = pools"],
    ],
    "avg_pool_rectangle": [
        ["avg_pool_rectangle = nn.Sequential(nn.AvgPool2d((3, 2), (2, 1)))"],
        ["def avg_pool_rectangle(*args):\n    return F.avg_pool2d(*args, (3, 2), stride=(2, 1))"],
    ],
    "linear": [
        ["linear = nn.Linear(20, 30)"],
        ["def linear(x, w, b):\n    return x @ w.T + b"],
        ["nets = nn.ModuleList()", "nets.append(nn.Linear(20, 30))", "linear = nets[0]"],
        ["torch.manual_seed(0)", "linear = torch.nn.Linear(in_features=20, out_features=30, bias=True)"],
    ],
}

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
    "class Trainer:\n    def fit(self, loader):\n        for x, y in loader:\n            self.model(x).backward()",
    "%%writefile notes.txt\nrelu = None",
    "!nvidia-smi\n%cd /content",
    "model.fit(x_train, y_train, epochs=5)",
    "from nowhere.config import cfg\nlr = cfg.lr * 2",
    "plt.plot([layer for layer in conv_stride.parameters()])",
    "assert False, 'look here'",
    "x: int",
    "with torch.no_grad():\n    out = missing(torch.zeros(1))",
    "exec('y = 1')",
]
MATES = [
    "%matplotlib inline",
    "!pip install torch",
    "print 'Python 2'",
    "print(undefined_name)",
    "# note: 答案",
    "1 / 0",
    "pass;",
]
"""Lines that stand in one cell with definitions."""


def merged(draw: random.Random, sequences: list[list[str]]) -> Iterator[str]:
    """The items of all sequences, those of each in their order."""
    left = [list(s) for s in sequences if s]
    while left:
        chosen = draw.choice(left)
        yield chosen.pop(0)
        left = [s for s in left if s]


def scrambled(seed: int) -> bytes:
    """A solution in one spelling of many, cut into cells at random, with a dozen cells of noise between."""
    draw = random.Random(seed)  # noqa: S311  # not for secrets
    cells = [[line] for line in draw.choice(IMPORTS)]
    for statement in merged(draw, [draw.choice(spellings) for spellings in SPELLINGS.values()]):
        if draw.random() < 0.5:
            cells.append([statement])
        else:
            cells[-1].append(statement)
    for cell in draw.sample(cells, 2):
        cell.insert(draw.randrange(len(cell) + 1), draw.choice(MATES))
    draw.choice(cells).insert(0, draw.choice(["%%time", "%%capture", "# %%"]))
    for noise in draw.sample(NOISE, 12):
        cells.insert(draw.randrange(len(cells) + 1), [noise])
    return draw.choice(FORMATS)(*("\n".join(cell) for cell in cells))


def of_lines(*cells: str) -> bytes:
    """As Jupyter saves it: each source a list of lines, outputs, a cell without any, and a byte-order mark."""
    book = json.loads(notebook_of(*cells))
    for cell in book["cells"]:
        cell["source"] = cell["source"].splitlines(keepends=True)
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["relu = None\n"]}]
    book["cells"].append({"cell_type": "code", "source": None})
    return b"\xef\xbb\xbf" + json.dumps(book, ensure_ascii=False).encode()


def of_format_3(*cells: str) -> bytes:
    """As notebooks were saved in 2014."""
    made = [
        {"cell_type": "code", "input": c, "language": "python"}
        if not c.startswith("#md ")
        else {"cell_type": "heading"}
        for c in cells
    ]
    return json.dumps({"worksheets": [{"cells": made}], "metadata": {}, "nbformat": 3}).encode()


FORMATS: list[Callable[..., bytes]] = [notebook_of, of_lines, of_format_3]


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
