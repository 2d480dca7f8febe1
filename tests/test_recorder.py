"""Layers shown in the lecture's way, with no names and no seed, are found by what they do."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from grader.untrusted import answers
from grader.untrusted.reading import Reading
from tests.read import names, notebook_of, read

IMPORTS = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F"
LECTURE = [
    IMPORTS,
    """m = nn.Conv2d(16, 33, 3, stride=2)
m = nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2))
m = nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1))
input = torch.randn(20, 16, 50, 100)
output = m(input)
print(output.shape)""",
    "m = nn.ReLU()\ninput = torch.randn(5, 5)\nprint(m(input))",
    "m = nn.MaxPool2d(3, stride=2)\ninput = torch.randn(2, 3, 4, 4)\noutput = m(input)",
    "m = nn.MaxPool2d((3, 2), stride=(2, 1))\nprint(m(torch.randn(2, 3, 4, 4)))",
    "print(nn.AvgPool2d(3, stride=2)(torch.randn(2, 3, 4, 4)))",
    "print(F.avg_pool2d(torch.randn(2, 3, 4, 4), (3, 2), stride=(2, 1)))",
    "m = nn.Linear(20, 30)\nprint(m(torch.randn(128, 20)).size())",
]


def output(reading: Reading, name: str, x: torch.Tensor) -> torch.Tensor:
    return answers.run_layer(name, reading.bound[name], [x], None).output


def test_the_lectures_cells_answer_every_layer_question() -> None:
    reading = read(notebook_of(*LECTURE))
    assert {name: state["state"] for name, state in names(reading).items()} == dict.fromkeys(names(reading), "found")
    x = torch.randn(2, 16, 20, 30)
    assert output(reading, "conv_stride", x).shape == nn.Conv2d(16, 33, 3, 2)(x).shape
    assert torch.equal(output(reading, "avg_pool_rectangle", x), F.avg_pool2d(x, (3, 2), (2, 1)))
    assert torch.equal(output(reading, "max_pool_square", x), F.max_pool2d(x, 3, 2))


def test_the_record_says_from_where_what_was_taken() -> None:
    found = names(read(notebook_of(*LECTURE)))
    assert found["conv_stride"]["rule"] == "taken from submission.ipynb, cell 2, line 1: nn.Conv2d(16, 33, 3, stride=2)"
    rule = "cell 7, line 1: nn.AvgPool2d((3, 2), stride=(2, 1)), which gave (2, 3, 1, 3) for (2, 3, 4, 4)"
    assert found["avg_pool_rectangle"]["rule"].endswith(rule)


FORMS = {
    "conv_stride": [
        "y = F.conv2d(torch.randn(2, 16, 9, 9), torch.randn(33, 16, 3, 3), torch.zeros(33), 2)",
        "def demo(layer):\n    print(layer(torch.randn(1, 16, 9, 9)))\ndemo(nn.Conv2d(16, 33, 3, stride=(2, 2)))",
        "def show(layer):\n    print(layer(torch.randn(1, 16, 9, 9)).shape)\nshow(nn.Conv2d(16, 33, 3, stride=2))",
        "if __name__ == '__main__':\n    m = nn.Conv2d(16, 33, kernel_size=3, stride=2)",
        (
            "class Demo(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
            "        self.c = nn.Conv2d(16, 33, 3, 2)\n    def forward(self, x): return self.c(x)\n"
            "Demo()(torch.randn(1, 16, 9, 9))"
        ),
        "for k in (3,):\n    m = nn.Conv2d(16, 33, k, stride=2)",
    ],
    "relu": [
        "print(torch.relu(torch.randn(5, 5)))",
        "print(torch.randn(5, 5).relu())",
        "y = F.relu(torch.randn(5, 5), inplace=True)",
        "y = nn.Sequential(nn.ReLU())(torch.randn(5))",
    ],
    "linear": ["y = F.linear(torch.randn(2, 20), torch.randn(30, 20), torch.randn(30))"],
    "max_pool_square": ["y = F.max_pool2d(torch.randn(1, 1, 4, 4), kernel_size=3, stride=2)"],
    "avg_pool_square": ["y = nn.functional.avg_pool2d(torch.randn(1, 1, 4, 4), 3, 2)"],
}


@pytest.mark.parametrize(("name", "code"), [(name, code) for name, codes in FORMS.items() for code in codes])
def test_however_a_layer_is_shown_it_is_seen(name: str, code: str) -> None:
    found = names(read(notebook_of(IMPORTS, code)))
    assert found[name]["state"] == "found", found[name]


def test_the_weights_that_were_used_are_kept() -> None:
    code = "torch.manual_seed(7)\nm = nn.Linear(20, 30)\nx = torch.ones(2, 20)\ny = m(x)"
    reading = read(notebook_of(IMPORTS, code))
    torch.manual_seed(7)
    assert torch.equal(output(reading, "linear", torch.ones(2, 20)), nn.Linear(20, 30)(torch.ones(2, 20)))


def test_a_named_answer_is_never_replaced() -> None:
    reading = read(notebook_of(IMPORTS, "relu = nn.ReLU6()", "m = nn.ReLU()\nm(torch.randn(5, 5))"))
    assert isinstance(reading.bound["relu"], nn.ReLU6)


def test_of_equal_layers_the_last_is_taken_and_of_unequal_ones_the_one_as_asked() -> None:
    code = "m = nn.Conv2d(3, 6, 5)\nm = nn.Conv2d(16, 33, 3, stride=2)\nm = nn.Conv2d(16, 33, 3, stride=2)"
    rule = names(read(notebook_of(IMPORTS, code)))["conv_stride"]["rule"]
    assert rule.endswith("cell 2, line 3: nn.Conv2d(16, 33, 3, stride=2)")


def test_what_plays_the_role_almost_is_taken_and_judged() -> None:
    found = names(read(notebook_of(IMPORTS, "m = nn.Conv2d(16, 33, 3, stride=3)\nm(torch.randn(1, 16, 9, 9))")))
    assert "nn.Conv2d(16, 33, 3, stride=3)" in found["conv_stride"]["rule"]


def test_the_parts_of_a_network_are_no_demonstrations() -> None:
    code = "net = nn.Sequential(nn.Conv2d(16, 33, 3), nn.ReLU(), nn.MaxPool2d(2))\nnet(torch.randn(1, 16, 9, 9))"
    assert {s["state"] for s in names(read(notebook_of(IMPORTS, code))).values()} == {"missing"}


def test_several_that_fit_alike_are_listed_and_none_is_taken() -> None:
    code = "m = nn.Linear(4, 5)\nm = nn.Linear(7, 8)"
    message = names(read(notebook_of(IMPORTS, code)))["linear"]["message"]
    assert "nn.Linear(4, 5) (submission.ipynb, cell 2, line 1), nn.Linear(7, 8)" in message
    assert "could each be linear" in message


def test_where_none_fits_what_was_seen_is_listed() -> None:
    message = names(read(notebook_of(IMPORTS, "m = nn.MaxPool2d(3, stride=2)")))["max_pool_rectangle"]["message"]
    assert "Bind your answer to the name max_pool_rectangle" in message
    assert "Layers of this kind that were seen: nn.MaxPool2d(3, stride=2) (submission.ipynb, cell 2, line 1)" in message


def test_training_and_broken_lines_around_a_demonstration_do_no_harm() -> None:
    cells = [
        IMPORTS,
        "raise RuntimeError",
        "for epoch in range(10**9):\n    loss.backward()",
        "m = nn.Linear(20, 30)\nm(torch.randn(1, 7))",
        "import nowhere\nnowhere.x()",
    ]
    assert names(read(notebook_of(*cells)))["linear"]["state"] == "found"


def test_a_file_of_a_question_answers_only_that_one() -> None:
    files = {"q2_relu.py": b"import torch\ntorch.randn(2).relu()", "q5_linear.py": b"x = 1"}
    found = names(read(files))
    assert (found["relu"]["state"], found["linear"]["state"]) == ("found", "missing")
