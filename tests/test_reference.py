from __future__ import annotations

from pathlib import Path

import pytest
import torch

from grader.reference import Reference
from tests.tiny import Tiny

ONES = torch.ones(2)
COUNTED = """
import torch

calls = []


def double(x):
    calls.append(x)
    {}
"""
MODULE = """
from torch import nn

double = nn.Linear(2, 1)
"""


def reference(folder: Path, solution: str) -> Reference:
    tiny = Tiny(folder, solution=solution).write()
    return Reference(tiny.reference, tiny.load())


def calls(reference: Reference) -> int:
    found = reference.value("double").__globals__["calls"]  # type: ignore[attr-defined]  # a function
    return len(found)


def test_what_was_asked_before_is_not_worked_out_again_and_nobody_can_change_it(tmp_path: Path):
    asked = reference(tmp_path, COUNTED.format("return 2 * x"))
    asked.run("double", ONES).zero_()
    assert [asked.run("double", x).tolist() for x in (ONES, ONES, ONES + 1)] == [[2, 2], [2, 2], [4, 4]]
    assert calls(asked) == 2


@pytest.mark.parametrize("body", ["return x + torch.rand(2)", "return x.mul_(2)"], ids=["draws", "changes its input"])
def test_what_is_not_a_function_of_its_input_alone_is_run_each_time(tmp_path: Path, body: str):
    asked = reference(tmp_path, COUNTED.format(body))
    for _ in range(2):
        asked.run("double", torch.ones(2))
    assert calls(asked) == 2


@pytest.mark.parametrize("x", [1.0, torch.tensor(1j), torch.ones(1).to_sparse()], ids=["number", "complex", "sparse"])
def test_what_could_not_cross_to_a_worker_is_asked_all_the_same(tmp_path: Path, x: torch.Tensor):
    asked = reference(tmp_path, COUNTED.format("return torch.as_tensor(2 * x)"))
    assert [asked.run("double", x).dtype for _ in range(2)] == [torch.as_tensor(x).dtype] * 2
    assert calls(asked) == 2


def test_the_same_numbers_of_another_type_or_shape_are_another_question(tmp_path: Path):
    asked = reference(tmp_path, COUNTED.format("return 2 * x"))
    found = [asked.run("double", x) for x in (torch.zeros(2), torch.zeros(2, dtype=torch.int32), torch.zeros(1, 2))]
    assert [(x.dtype, x.shape) for x in found] == [
        (torch.float32, (2,)),
        (torch.int32, (2,)),
        (torch.float32, (1, 2)),
    ]


def test_a_layer_that_keeps_weights_is_run_each_time_for_its_own_are_those_given_last(tmp_path: Path):
    asked = reference(tmp_path, MODULE)
    found = []
    for n in (1.0, 2.0, 1.0):
        weights = {"weight": torch.full((1, 2), n), "bias": torch.zeros(1)}
        found += [asked.run("double", ONES, weights=weights).item(), asked.run("double", ONES).item()]
    assert found == [2, 2, 4, 4, 2, 2]
