"""What all of them grade: fifteen checks on nine layer functions, and submissions with seeded mistakes.

A submission defines `conv_stride(x, weight, bias)` and the like as plain functions, so every grader can call it.
A check is a function of the submission's namespace that asserts; the text of CHECKS is pasted into each grader's own
format, so all run the same lines on the same inputs.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Protocol

from benchmarks.graders.measured import Cost

Sources = dict[str, str]  # a class: student -> code
Scores = dict[str, int]  # student -> checks passed


class Grader(Protocol):
    """One way to grade a class. `packages`: what it needs beside torch; none runs in the engine's environment."""

    @property
    def name(self) -> str:
        """As the table has it."""

    @property
    def packages(self) -> tuple[str, ...]:
        """From the package index."""

    def prepare(self, folder: Path, python: Path) -> None:
        """Write its form of the checks; not measured, as it is done once for a class."""

    def grade(self, folder: Path, sources: Sources) -> tuple[Cost, Scores]:
        """Grade them all, one after another where it knows no other way."""


SOLUTION = {
    "conv_stride": "def conv_stride(x, weight, bias):\n    return F.conv2d(x, weight, bias, stride=2)\n",
    "conv_padding": (
        "def conv_padding(x, weight, bias):\n    return F.conv2d(x, weight, bias, stride=(2, 1), padding=(4, 2))\n"
    ),
    "conv_dilation": (
        "def conv_dilation(x, weight, bias):\n"
        "    return F.conv2d(x, weight, bias, stride=(2, 1), padding=(4, 2), dilation=(3, 1))\n"
    ),
    "relu": "def relu(x):\n    return torch.relu(x)\n",
    "max_pool_square": "def max_pool_square(x):\n    return F.max_pool2d(x, 3, stride=2)\n",
    "max_pool_rectangle": "def max_pool_rectangle(x):\n    return F.max_pool2d(x, (3, 2), stride=(2, 1))\n",
    "avg_pool_square": "def avg_pool_square(x):\n    return F.avg_pool2d(x, 3, stride=2)\n",
    "avg_pool_rectangle": "def avg_pool_rectangle(x):\n    return F.avg_pool2d(x, (3, 2), stride=(2, 1))\n",
    "linear": "def linear(x, weight, bias):\n    return F.linear(x, weight, bias)\n",
}
MISTAKES = {
    "conv_stride": "def conv_stride(x, weight, bias):\n    return F.conv2d(x, weight, stride=2)\n",
    "conv_padding": "def conv_padding(x, weight, bias):\n    return F.conv2d(x, weight, bias, 2, padding=(4, 2))\n",
    "conv_dilation": (
        "def conv_dilation(x, weight, bias):\n    return F.conv2d(x, weight, bias, stride=(2, 1), padding=(4, 2))\n"
    ),
    "relu": "def relu(x):\n    return F.leaky_relu(x, 0.1)\n",
    "max_pool_square": "def max_pool_square(x):\n    return F.avg_pool2d(x, 3, stride=2)\n",
    "max_pool_rectangle": "def max_pool_rectangle(x):\n    raise ValueError('not done')\n",
    "avg_pool_square": "def avg_pool_square(x):\n    return F.max_pool2d(x, 3, stride=2)\n",
    "avg_pool_rectangle": "def avg_pool_rectangle(x):\n    return None\n",
    "linear": "def linear(x, weight, bias):\n    return x @ weight.t()\n",
}
KERNELS = {"conv_stride": (3, 3), "conv_padding": (3, 5), "conv_dilation": (3, 5)}

HELPERS = """
import torch
import torch.nn.functional as F


def numbers(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def conv(function, seed, kernel, images=2, size=(12, 17)):
    return function(numbers(seed, images, 4, *size), numbers(seed + 1, 6, 4, *kernel), numbers(seed + 2, 6))


def close(found, expected):
    assert isinstance(found, torch.Tensor), "not a tensor"
    assert found.shape == expected.shape, f"shape {tuple(found.shape)}, expected {tuple(expected.shape)}"
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5), "other numbers"
"""


def checks() -> dict[str, str]:
    """Name -> the body of that check, given `student` (a namespace) and `solution` (likewise)."""
    made = {}
    for name, kernel in KERNELS.items():
        for part, seed in (("shape", 10), ("values", 20), ("other_inputs", 30)):
            got = f"conv(student.{name}, {seed}, {kernel})"
            wanted = f"conv(solution.{name}, {seed}, {kernel})"
            body = f"assert {got}.shape == {wanted}.shape" if part == "shape" else f"close({got}, {wanted})"
            made[f"test_{name}_{part}"] = body
    for name in ("relu", "max_pool_square", "max_pool_rectangle", "avg_pool_square", "avg_pool_rectangle"):
        made[f"test_{name}"] = (
            f"close(student.{name}(numbers(40, 2, 4, 9, 8)), solution.{name}(numbers(40, 2, 4, 9, 8)))"
        )
    inputs = "numbers(50, 8, 5), numbers(51, 3, 5), numbers(52, 3)"
    made["test_linear"] = f"close(student.linear({inputs}), solution.linear({inputs}))"
    return made


CHECKS = checks()
IMPORTS = "import torch\nimport torch.nn.functional as F\n\n\n"
REFERENCE = IMPORTS + "\n\n".join(SOLUTION.values())


def submission(number: int) -> str:
    """Submission `number` of the class: zero to three of the nine functions are wrong; drawn from the number alone."""
    draw = random.Random(number)  # noqa: S311  # variety, not secrecy
    wrong = set(draw.sample(sorted(MISTAKES), draw.choice((0, 0, 1, 1, 2, 3))))
    parts = [(MISTAKES if name in wrong else SOLUTION)[name] for name in SOLUTION]
    return f"# submission {number}\n{IMPORTS}" + "\n\n".join(parts)


def wrong_answers(number: int) -> set[str]:
    """The names that submission `number` has wrong."""
    text = submission(number)
    return {name for name in SOLUTION if SOLUTION[name] not in text}


def expected_score(number: int) -> int:
    """The number of checks that submission `number` passes: known from how it was made, not from any grader."""
    lost = 0
    for name in wrong_answers(number):
        alone = {"conv_stride": 2, "conv_padding": 3, "conv_dilation": 3}  # without a bias the shape is still right
        lost += alone.get(name, 1)
    return len(CHECKS) - lost


def students(count: int) -> Sources:
    """A class of so many."""
    return {f"s{number}": submission(number) for number in range(count)}


def right_scores(count: int) -> Scores:
    """What every grader must say of it."""
    return {f"s{number}": expected_score(number) for number in range(count)}
