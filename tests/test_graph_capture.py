"""A capture is faithful, leaves everything as it was, and says to a student why it cannot be made."""

from __future__ import annotations

import json
import logging
import random
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from grader.graph import canonical
from grader.graph.capture import NotCapturable, capture
from tests.networks import SHAPE, SPELLINGS, NormDropout, captured, make, rebuilt

IMPORTED = """
import sys
before = {name.partition(".")[0] for name in sys.modules}
import torch, torch.export, torch.utils._pytree
known = {name.partition(".")[0] for name in sys.modules} | set(sys.stdlib_module_names)
import grader.graph.capture
ours = {name for name in sys.modules if name.partition(".")[0] == "grader"}
others = {name.partition(".")[0] for name in sys.modules} - known - {"grader"}
print(sorted(ours), sorted(others))
"""


@pytest.mark.slow
def test_capture_imports_only_torch_and_the_standard_library() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED], check=True, capture_output=True, text=True)
    own = [f"grader.graph.{n}" for n in ("capture", "decisions", "encoding", "keeping", "observation", "tracing")]
    assert done.stdout.strip() == f"{['grader', 'grader.graph', *own, 'grader.scores']} []"


@pytest.mark.parametrize("name", ["in place", "hard batch", "norm and dropout"])
def test_a_capture_is_json_and_plain_tensors(name: str) -> None:
    form = captured(name)
    assert json.loads(json.dumps(form.ir, allow_nan=False)) == form.ir
    assert {t["name"] for t in form.ir["tensors"]} == set(form.tensors)
    for spec in form.ir["tensors"]:
        tensor = form.tensors[spec["name"]]
        assert (list(tensor.shape), f"torch.{spec['dtype']}") == (spec["shape"], str(tensor.dtype))
        assert tensor.is_contiguous()
        assert not tensor.requires_grad


@pytest.mark.parametrize("name", SPELLINGS)
def test_only_a_hard_batch_is_static(name: str) -> None:
    assert captured(name).ir["batch"] == (64 if name == "hard batch" else None)


def test_both_modes_are_captured() -> None:
    ir = captured("norm and dropout").ir
    flags = {
        mode: [args[2] for op, args, _ in ir[mode]["nodes"] if op == "aten.dropout.default"]
        for mode in ("train", "eval")
    }
    assert flags == {"train": [True], "eval": [False]}


@pytest.mark.slow
def test_the_models_mode_tensors_and_attributes_are_kept() -> None:
    model = NormDropout().train()
    model.norm1.eval()
    model.notes = ["kept"]
    before = {name: t.clone() for name, t in model.state_dict().items()}
    attributes = {name: list(vars(m)) for name, m in model.named_modules()}
    capture(model, SHAPE)
    assert [m.training for m in (model, model.norm1, model.norm2)] == [True, False, True]
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())
    assert {name: list(vars(m)) for name, m in model.named_modules()} == attributes
    assert model.notes == ["kept"]
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.slow
def test_random_numbers_are_kept() -> None:
    model = NormDropout()
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tobytes()
    capture(model, SHAPE)
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1:] == (random.getstate(), np.random.get_state()[1].tobytes())


@pytest.mark.slow
def test_the_model_still_trains_after_a_capture() -> None:
    model = NormDropout().train()
    capture(model, SHAPE)
    model(torch.randn(4, *SHAPE)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.slow
def test_nothing_reaches_the_students_output(capfd: pytest.CaptureFixture[str]) -> None:
    capture(make("print"), SHAPE)
    with pytest.raises(NotCapturable):
        capture(DecidesByValues(), SHAPE)
    assert capfd.readouterr() == ("", "")
    assert logging.root.manager.disable == logging.NOTSET


def test_warnings_of_the_forward_are_dropped_and_filters_kept() -> None:
    class Warns(Flat):
        def forward(self, x):
            warnings.warn("old", DeprecationWarning, stacklevel=1)
            return super().forward(x)

    filters = list(warnings.filters)
    capture(Warns(), SHAPE)
    assert warnings.filters == filters


# --- traps --------------------------------------------------------------------------------------------------------


class Flat(nn.Module):
    """The frame of the traps: one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3 * 32 * 32, 10)

    def forward(self, x):
        return self.fc(x.flatten(1))


class WrongBackward(torch.autograd.Function):
    @staticmethod
    def forward(_ctx, x):
        return x * 2

    @staticmethod
    def backward(_ctx, g):
        return g * 7


class TrueBackward(torch.autograd.Function):
    """Swish with its gradient written out, as it is found in libraries."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return g * (s * (1 + x * (1 - s)))


class CustomBackward(Flat):
    def forward(self, x):
        return WrongBackward.apply(super().forward(x))


class PythonRandom(Flat):
    def forward(self, x):
        return super().forward(x) * (0.5 if self.training and random.random() < 0.5 else 1.0)  # noqa: S311  # the trap


class NumpyRandom(Flat):
    def forward(self, x):
        return super().forward(x) * float(np.random.rand())


class OwnRandom(Flat):
    generator = random.Random(5)  # noqa: S311  # the trap

    def forward(self, x):
        return super().forward(x) * self.generator.random()


class DecidesByValues(Flat):
    def forward(self, x):
        return super().forward(x if x.mean() > 0 else -x)


class UsesItem(Flat):
    def forward(self, x):
        return super().forward(x) * x.mean().item()


class LeavesTorch(Flat):
    def forward(self, x):
        return super().forward(torch.from_numpy(x.detach().numpy() * 2))


class Counts(Flat):
    calls = 0

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return super().forward(x) * self.calls


class Remembers(Flat):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def forward(self, x):
        self.seen.append(1.0)
        return super().forward(x) * len(self.seen)


class Averages(Flat):
    def __init__(self) -> None:
        super().__init__()
        self.last = None

    def forward(self, x):
        x = x if self.last is None else (x + self.last) / 2
        self.last = x.detach()
        return super().forward(x)


class WarmsUp(Flat):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return super().forward(x) * (1 if self.calls < 1000 else 2)


class MakesLayers(Flat):
    def forward(self, x):
        self.more = nn.Linear(10, 10)
        return self.more(super().forward(x))


class NeverLearns(Flat):
    @torch.no_grad()
    def forward(self, x):
        return super().forward(x)


class ClampsWeights(Flat):
    def forward(self, x):
        self.fc.weight.data.clamp_(-0.001, 0.001)
        return super().forward(x)


class MovesToGpu(Flat):
    def forward(self, x):
        return self.fc(x.flatten(1).to("cuda"))


class Frozen(Flat):
    def forward(self, x):
        with torch.no_grad():
            x = x * 2
        return super().forward(x)


class Breaks(Flat):
    def forward(self, x):
        return self.fc(x)


class NoTensor(Flat):
    def forward(self, _):
        return "cat"


class Infinite(Flat):
    def forward(self, x):
        return super().forward(x).clamp(max=float("inf"))


TRAPS: dict[type[nn.Module], str] = {
    CustomBackward: "WrongBackward has a backward of its own",
    PythonRandom: "random numbers from Python's random or from numpy",
    NumpyRandom: "random numbers from Python's random or from numpy",
    OwnRandom: "other outputs than its forward in training mode",
    DecidesByValues: "decides by the values in a tensor",
    UsesItem: "decides by the values in a tensor",
    LeavesTorch: "leaves torch for numpy",
    Counts: "changes self.calls",
    Remembers: "changes self.seen",
    Averages: "changes self.last and computes with it",
    WarmsUp: "changes self.calls and computes with it",
    MakesLayers: "makes layers of its own at each call",
    NeverLearns: "no gradient reaches its weights",
    ClampsWeights: "changes its own weights",
    MovesToGpu: "GPU|cuda|CUDA",
    Frozen: "torch.no_grad",
    Breaks: r"raised RuntimeError on images of shape \(64, 3, 32, 32\)",
    NoTensor: "returns str, not a tensor",
    Infinite: "infinite number",
}


@pytest.mark.parametrize("trap", TRAPS, ids=lambda t: t.__name__)
def test_a_trap_is_a_reason(trap: type[nn.Module]) -> None:
    with pytest.raises(NotCapturable, match=TRAPS[trap]) as caught:
        capture(trap(), SHAPE)
    text = str(caught.value)
    assert len(text) < 500
    assert "\n" not in text


def test_a_trap_leaves_the_model_as_it_was() -> None:
    counts, remembers, clamps = Counts(), Remembers(), ClampsWeights()
    weight = clamps.fc.weight.detach().clone()
    for model in (counts, remembers, clamps):
        with pytest.raises(NotCapturable):
            capture(model, SHAPE)
    assert (counts.calls, remembers.seen) == (0, [])
    assert torch.equal(clamps.fc.weight, weight)


def test_weights_on_another_device_are_a_reason() -> None:
    with pytest.raises(NotCapturable, match=r"fc\.weight lies on meta"):
        capture(Flat().to("meta"), SHAPE)


# --- what is no trap ----------------------------------------------------------------------------------------------


def test_a_custom_function_with_the_true_gradient_is_captured() -> None:
    class Swish(Flat):
        def forward(self, x):
            return super().forward(TrueBackward.apply(x))

    assert [n[0] for n in capture(Swish(), SHAPE).ir["eval"]["nodes"][:2]] == [
        "aten.sigmoid.default",
        "aten.mul.Tensor",
    ]


def test_a_counter_in_a_buffer_is_captured() -> None:
    class Buffered(Flat):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.zeros(()))

        def forward(self, x):
            self.mean.mul_(0.9).add_(0.1 * x.mean().detach())
            return super().forward(x - self.mean)

    form = capture(Buffered(), SHAPE)
    assert {t["name"]: t["kind"] for t in form.ir["tensors"]}["mean"] == "buffer"
    assert form.tensors["mean"] == 0


def test_several_outputs_give_the_scores() -> None:
    class Two(Flat):
        def forward(self, x):
            return {"image": x, "scores": super().forward(x)}

    ir = capture(Two(), SHAPE).ir
    assert ir["eval"]["outputs"] == 2
    assert ir["eval"]["nodes"][ir["eval"]["output"]["node"] - 1][0] == "aten.linear.default"


class ChecksValues(Flat):
    def forward(self, x):
        scores = super().forward(x)
        assert not torch.isnan(scores).any()
        if scores.abs().max().item() > 1e6 or float(x.min()) < -1e6:
            scores = scores * 0
        return scores


def test_a_check_of_values_that_changes_nothing_is_captured_and_said() -> None:
    torch.manual_seed(0)
    model = ChecksValues()
    form, plain = capture(model, SHAPE), capture(Flat(), SHAPE)
    assert "decides by the values in a tensor" in form.note
    assert plain.note == ""
    assert canonical.fingerprint(form.ir) == canonical.fingerprint(plain.ir)
    assert "__bool__" not in vars(torch.Tensor)


def test_of_two_outputs_the_one_with_a_score_for_each_class_is_taken() -> None:
    class Features(Flat):
        def forward(self, x):
            return x.flatten(1), super().forward(x)

    ir = capture(Features(), SHAPE, classes=10).ir
    assert ir["train"]["nodes"][ir["train"]["output"]["node"] - 1][0] == "aten.linear.default"


def test_tied_weights_are_kept_once() -> None:
    class Tied(Flat):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
            self.second.weight = self.first.weight

        def forward(self, x):
            return super().forward(self.second(self.first(x)))

    assert sorted(capture(Tied(), SHAPE).tensors) == [
        *("fc.bias", "fc.weight", "first.bias", "first.weight", "second.bias"),
    ]


def test_lazy_layers_are_initialised() -> None:
    model = nn.Sequential(nn.LazyConv2d(4, 5), nn.Flatten(), nn.LazyLinear(10))
    shapes = sorted(tuple(t.shape) for t in capture(model, SHAPE).tensors.values())
    assert shapes == [(4,), (4, 3, 5, 5), (10,), (10, 4 * 28 * 28)]


def test_names_that_are_no_ascii_are_replaced() -> None:
    class Named(Flat):
        def __init__(self) -> None:
            super().__init__()
            self.卷積 = nn.Conv2d(3, 3, 1)

        def forward(self, x):
            return super().forward(self.卷積(x))

    assert sorted(capture(Named(), SHAPE).tensors) == ["_tensor2", "_tensor3", "fc.bias", "fc.weight"]


def test_frozen_and_unused_parameters_are_told_apart() -> None:
    class Spare(Flat):
        def __init__(self) -> None:
            super().__init__()
            self.spare = nn.Linear(2, 2)
            self.fc.bias.requires_grad_(False)

    kinds = {t["name"]: t["kind"] for t in capture(Spare(), SHAPE).ir["tensors"]}
    assert kinds["fc.bias"] == "frozen"
    assert kinds["spare.weight"] == "parameter"


@pytest.mark.slow
def test_stochastic_depth_is_random_in_the_training_graph_only() -> None:
    ir = captured("efficientnet_b0").ir
    counts = [sum(op == "aten.bernoulli_.float" for op, *_ in ir[mode]["nodes"]) for mode in ("train", "eval")]
    assert counts == [9, 0]
    assert rebuilt("efficientnet_b0").batch is None
