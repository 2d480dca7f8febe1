"""Equal networks have one form, different ones have different forms, and weights are told apart by their digest."""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from grader.graph.canonical import canonical, digests, fingerprint, weights_digest
from grader.graph.capture import Captured, capture
from grader.graph.program import Refused
from tests.networks import SHAPE, SPELLINGS, captured, make, rebuilt

DIFFERENT = ("attributes", "relu after pool", "other kernel", "other channels", "a norm", "softmax", "log_softmax")


class Head(nn.Module):
    """A frame: one convolution, one linear layer, and a function between them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 8, stride=8), nn.Linear(64, 10)

    def forward(self, x):
        return self.fc(self.between(self.conv(x)))

    def between(self, x):
        return torch.relu(x).flatten(1)


def of(between: Any) -> Captured:
    """A Head with this function, its weights drawn from one seed."""
    torch.manual_seed(0)
    return capture(type("Head", (Head,), {"between": lambda _, x: between(x)})(), SHAPE)


@pytest.mark.slow
def test_nine_spellings_have_one_fingerprint() -> None:
    assert len(SPELLINGS) == 9
    assert len({fingerprint(captured(name).ir) for name in SPELLINGS}) == 1


def test_nine_spellings_have_the_same_initial_weights_under_one_seed() -> None:
    forms = [captured(name) for name in SPELLINGS]
    assert len({weights_digest(f.ir, f.tensors) for f in forms}) == 1


def test_a_static_trace_has_the_fingerprint_of_a_dynamic_one() -> None:
    forms = [captured("hard batch").ir, captured("view(-1, 400)").ir]
    assert [f["batch"] for f in forms] == [64, None]
    assert canonical(forms[0]) == canonical(forms[1])


@pytest.mark.slow
@pytest.mark.parametrize(("a", "b"), list(combinations(DIFFERENT, 2)))
def test_different_networks_differ(a: str, b: str) -> None:
    assert fingerprint(captured(a).ir) != fingerprint(captured(b).ir)


def test_other_weights_change_the_digest_alone() -> None:
    first, other = captured("attributes"), captured("attributes", 1)
    assert fingerprint(first.ir) == fingerprint(other.ir)
    assert weights_digest(first.ir, first.tensors) != weights_digest(other.ir, other.tensors)


def test_one_changed_bit_changes_the_digest() -> None:
    form = captured("attributes")
    tensors = {name: t.clone() for name, t in form.tensors.items()}
    before = weights_digest(form.ir, tensors)
    tensors["fc3.bias"].view(torch.int32)[9] ^= 1
    assert weights_digest(form.ir, tensors) != before


def test_the_order_of_definition_does_not_matter() -> None:
    class Backwards(Head):
        def __init__(self) -> None:
            super().__init__()
            conv, fc = self.conv, self.fc
            del self.conv, self.fc
            self.zz, self.conv = fc, conv

        def forward(self, x):
            return self.zz(self.between(self.conv(x)))

    torch.manual_seed(0)
    form, plain = capture(Backwards(), SHAPE), of(lambda x: torch.relu(x).flatten(1))
    assert list(form.tensors) != list(plain.tensors)
    assert fingerprint(form.ir) == fingerprint(plain.ir)
    assert weights_digest(form.ir, form.tensors) == weights_digest(plain.ir, plain.tensors)


def test_a_rebuilt_network_has_the_fingerprint_and_digest_of_its_form() -> None:
    form, net = captured("attributes"), rebuilt("attributes")
    assert net.fingerprint == fingerprint(form.ir)
    assert net.weights_digest == weights_digest(form.ir, form.tensors)


SAME = {
    "in place": lambda x: x.relu_().flatten(1),
    "a copy": lambda x: torch.relu(x.clone()).flatten(1),
    "dropout of nothing": lambda x: F.dropout(torch.relu(x).flatten(1), 0.0),
    "reshapes in a row": lambda x: torch.relu(x).view(x.size(0), 4, 16).unsqueeze(1).reshape(-1, 64),
    "moves to where it is": lambda x: torch.relu(x.to("cpu").cpu().to(x.device, x.dtype).float()).flatten(1),
    "dead code": lambda x: (torch.relu(x), x * 3)[0].contiguous().view(-1, 64),
}


@pytest.mark.parametrize("name", SAME)
def test_spellings_of_one_step_are_one(name: str) -> None:
    plain = of(lambda x: torch.relu(x).flatten(1))
    assert canonical(of(SAME[name]).ir) == canonical(plain.ir)


OTHER = {
    "another activation": lambda x: F.relu6(x).flatten(1),
    "detached": lambda x: torch.relu(x).detach().flatten(1),
    "transposed": lambda x: torch.relu(x).transpose(2, 3).flatten(1),
    "rounded by half precision": lambda x: torch.relu(x).to("cpu", torch.float16).to(torch.float32).flatten(1),
    "a factor": lambda x: (torch.relu(x) * 2).flatten(1),
    "dropout": lambda x: F.dropout(torch.relu(x).flatten(1), 0.5),
    "random numbers drawn and not used": lambda x: (torch.relu(x).flatten(1), torch.rand(1))[0],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHER)
def test_what_trains_otherwise_has_another_form(name: str) -> None:
    plain = of(lambda x: torch.relu(x).flatten(1))
    assert fingerprint(of(OTHER[name]).ir) != fingerprint(plain.ir)


def seen_elsewhere(x: Tensor) -> Tensor:
    """The view is overwritten, and the tensor that it is a view of is read afterwards."""
    view = x.view(x.size(0), -1)
    view.mul_(2)
    return torch.relu(x).flatten(1)


@pytest.mark.slow
def test_an_overwritten_view_is_not_taken_for_a_copy() -> None:
    def copied(x: Tensor) -> Tensor:
        view = x.clone().view(x.size(0), -1)
        view.mul_(2)
        return torch.relu(x).flatten(1)

    assert fingerprint(of(seen_elsewhere).ir) != fingerprint(of(copied).ir)
    assert canonical(of(copied).ir) == canonical(of(lambda x: torch.relu(x).flatten(1)).ir)


def test_in_place_values_are_read_after_the_change() -> None:
    def both(x: Tensor) -> Tensor:
        y = x.relu_()
        return (x + y).flatten(1)

    def plain(x: Tensor) -> Tensor:
        y = torch.relu(x)
        return (y + y).flatten(1)

    assert canonical(of(both).ir) == canonical(of(plain).ir)


def test_counted_and_negative_dimensions_are_one() -> None:
    forms = [of(lambda x, d=d: F.softmax(torch.relu(x).flatten(1), dim=d)) for d in (1, -1)]
    assert canonical(forms[0].ir) == canonical(forms[1].ir)


def test_the_form_is_json_without_names() -> None:
    text = json.dumps(canonical(captured("attributes").ir), allow_nan=False)
    assert "conv1" not in text
    assert '["B", 1, 0]' in text


def test_the_fingerprint_is_that_of_sha256() -> None:
    assert len(fingerprint(captured("attributes").ir)) == 64


def test_a_hostile_form_has_no_fingerprint() -> None:
    with pytest.raises(Refused, match="exactly the fields"):
        fingerprint({"version": 1})


def test_tensors_that_are_not_as_listed_have_no_digests() -> None:
    with pytest.raises(Refused, match="not those that its form lists"):
        digests(captured("attributes").ir, {})


@pytest.mark.slow
def test_an_efficientnet_keeps_its_fingerprint_over_seeds() -> None:
    torch.manual_seed(5)
    again = capture(make("efficientnet by hand", 1), SHAPE)
    assert fingerprint(again.ir) == fingerprint(captured("efficientnet by hand").ir)
    assert fingerprint(again.ir) != fingerprint(captured("squeeze by linear").ir)
