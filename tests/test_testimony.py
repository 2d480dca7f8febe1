"""What a worker says of a training in it is looked at before it is used, and never ends a grading."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from grader.measurement import testimony
from grader.processes.process import Unanswered
from grader.untrusted.outline import outline
from grader.wire import Message

SCORES = {"logits": torch.zeros(4, 3), "initial_logits": torch.ones(4, 3)}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


def read(**body: Any) -> testimony.Testimony:
    return testimony.read(Message("trained", {"curve": [[2.3, 0.1]], **body}, SCORES), (4, 3), "LeNet")


def test_an_honest_worker_is_quoted() -> None:
    layers = outline(nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU()), (3, 32, 32))
    found = read(seconds=1.5, parameters=456, layers=layers, note="a tuple")
    assert (found.parameters, found.note, found.training.seconds) == (456, "a tuple", 1.5)
    assert [(x.op, x.output_shape, x.parameters) for x in found.layers] == [
        ("Conv2d", (6, 28, 28), 456),
        ("ReLU", (6, 28, 28), 0),
    ]


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("seconds", "parameters", "layers", "note"), JSON)))
def test_whatever_is_only_shown_is_made_fit_to_be(body: dict[str, Any]) -> None:
    found = read(**body)
    assert 0 <= found.parameters < testimony.MOST
    found.note.encode()


@given(st.lists(st.tuples(JSON, JSON, JSON).map(list), max_size=3))
def test_layers_that_are_none_are_left_out(layers: list[Any]) -> None:
    assert len(read(layers=layers).layers) <= len(layers)
    assert read(layers=[["Half \ud800", [True, -5, 3], 1.5]]).layers[0].output_shape == (1, 0, 3)


@pytest.mark.parametrize("curve", [None, [[2.3]], [["2.3", 0.1]], [[float("nan"), 0.1]]])
def test_a_curve_that_is_none_is_no_answer(curve: Any) -> None:
    with pytest.raises(Unanswered, match="LeNet's training gave a learning curve that is none"):
        read(curve=curve)


@pytest.mark.parametrize("logits", [None, torch.zeros(3, 3), torch.zeros(4, 3).long(), torch.full((4, 3), torch.nan)])
def test_scores_that_cannot_be_used_are_no_answer(logits: torch.Tensor | None) -> None:
    tensors = {name: x for name, x in {**SCORES, "logits": logits}.items() if x is not None}
    with pytest.raises(Unanswered, match="LeNet's"):
        testimony.read(Message("trained", {"curve": []}, tensors), (4, 3), "LeNet")


def test_an_outline_leaves_the_network_as_it_was() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout())
    before, state = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    assert [name for name, _, _ in outline(model, (3, 8, 8))] == ["Conv2d", "BatchNorm2d", "Dropout"]
    assert model.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(m._forward_hooks for m in model.modules())
