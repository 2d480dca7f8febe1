from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from grader.processes import advice


class Unfinished(nn.Module):
    pass


class Forgetful(nn.Module):
    def __init__(self) -> None:
        self.conv = nn.Conv2d(1, 1, 1)


class Mistyped(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv_1(x)


def endless() -> None:
    endless()


X = torch.zeros(2, 3, 8, 8)
MISTAKES = {  # what torch really raises, with a word of the advice
    "any number of images": lambda: X.view(64, 192),
    "print x.shape": lambda: nn.Linear(10, 2)(X.flatten(1)),
    "first layer's are those of the images": lambda: nn.Conv2d(1, 6, 5)(X),
    "super().__init__()": Forgetful,
    "def forward(self, x)": lambda: Unfinished()(X),
    "typo": lambda: Mistyped()(X),
    "larger than what is left": lambda: nn.Conv2d(3, 6, 9)(X),
    "Two tensors do not fit": lambda: X + torch.zeros(3),
    "exit() ends the program": lambda: exit(1),
    "defaults": lambda: Forgetful.__init__(),
    "No data file is needed": lambda: Path("nowhere/data.csv").read_text(),
    "missing import": lambda: undefined_name,  # noqa: F821
    "images are (N, C, H, W)": lambda: nn.Conv2d(3, 6, 3)(torch.zeros(3, 8)),
    "keep the input's float32": lambda: nn.Linear(8, 2)(X.double()),
    "make a new one": lambda: nn.Parameter(torch.zeros(2)).add_(1),
    "several": lambda: nn.BatchNorm1d(3)(torch.zeros(1, 3)),
    "help() lists the names": lambda: nn.Conv2d(3, 6, 3, strides=2),
    "function without return": lambda: (lambda: None)().shape,
    "brackets too many": lambda: X(),
    "another version": lambda: exec("from torch import conv_2d"),  # noqa: S102  # an import that is to fail
    "missing self": lambda: (lambda: None)(1),
    "x.any()": lambda: bool(X),
    "handed to numpy": lambda: np.max(X, axis=(2, 3)),
    "Leave out numpy()": lambda: nn.Linear(2, 2).weight.numpy(),
    "not allowed here": lambda: (_ for _ in ()).throw(PermissionError(13, "Permission denied")),
    "calls itself": lambda: endless(),
    "below the fraction line": lambda: 1 // 0,
    "larger than the list": lambda: [][1],
}


@pytest.mark.parametrize("phrase", MISTAKES)
def test_a_common_mistake_gets_the_advice_that_ends_it(phrase: str) -> None:
    with pytest.raises(BaseException) as caught:  # noqa: PT011  # SystemExit among them
        MISTAKES[phrase]()
    assert phrase in advice.on(type(caught.value).__name__, str(caught.value))


def test_an_unknown_mistake_gets_a_first_step() -> None:
    assert advice.on("ValueError", "something of the student's own") == advice.OTHERWISE


def test_a_text_that_says_what_to_do_gets_no_second_advice() -> None:
    assert advice.on("RuntimeError", "input('n') waits for an answer, and nobody is here: write the value.") == ""


def test_a_missing_package_is_named_beside_those_that_may_be_used() -> None:
    found = advice.on_missing("cnn_tools.layers", ("torch", "torchvision"))
    assert found.startswith("cnn_tools is neither available here")
    assert "torch or torchvision" in found
    assert "cnn_tools.py" in found


@pytest.mark.parametrize(
    ("package", "said"),
    [
        ("tensorflow.keras.layers", "TensorFlow is another framework"),
        ("keras", "Keras is another framework"),
        ("timm.models", "timm is a package of finished networks"),
        ("efficientnet_pytorch", "a network of your own, a class that derives from nn.Module"),
    ],
)
def test_another_framework_is_named_beside_what_is_asked_for(package: str, said: str) -> None:
    found = advice.on_missing(package, ("torch", "numpy"))
    assert said in found
    assert "not available here" in found
    assert found.endswith("torch or numpy.")
    assert ".py" not in found
