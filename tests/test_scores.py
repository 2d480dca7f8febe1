"""Of all that a network returns, the scores are found."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from grader.scores import find

SCORES, FEATURES = torch.zeros(2, 10), torch.zeros(2, 84)

RETURNED = {
    "alone": (SCORES, ""),
    "first": ((SCORES, FEATURES), "tuple; its first element"),
    "after features": ((FEATURES, SCORES), "tuple; its second element"),
    "after nothing": ((None, SCORES), "tuple; its second element"),
    "by its name": ({"probabilities": SCORES + 1, "logits": SCORES}, "dict; its entry 'logits'"),
    "by its shape": ({"logits": FEATURES, "y": SCORES}, "dict; its entry 'y'"),
    "deep": ([FEATURES, {"out": SCORES}], "list; its part [1]['out']"),
}


@pytest.mark.parametrize("case", RETURNED)
def test_the_scores_are_found(case: str) -> None:
    output, note = RETURNED[case]
    found = find(output, classes=10)
    assert found is not None
    assert found.tensor is SCORES
    assert note in found.note
    assert bool(found.note) == bool(note)


@pytest.mark.parametrize("output", [None, 3, [], {"logits": "none"}])
def test_without_a_tensor_there_are_none(output: object) -> None:
    assert find(output, classes=10) is None


def test_another_shape_is_better_than_none() -> None:
    found = find((torch.zeros(()), torch.zeros(2, 12)), classes=10)
    assert isinstance(found.tensor if found else None, Tensor)
