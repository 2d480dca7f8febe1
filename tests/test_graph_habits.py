"""What students keep on their networks is no obstacle, and what keeps a network from learning is said."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grader.graph import habits
from grader.graph.capture import capture

SHAPE = (3, 6, 6)


class Tiny(nn.Module):
    """The frame: one convolution, one linear layer; `with_` looks at what is between them."""

    def __init__(self, with_: Callable[[nn.Module, Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 2, 3), nn.Linear(32, 10)
        self.calls, self.kept = 0, []
        object.__setattr__(self, "with_", with_ or (lambda _, x: x))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.with_(self, self.conv(x)).flatten(1))


def keeps(**named: Callable[[Tensor], object]) -> Callable[[nn.Module, Tensor], Tensor]:
    def look(self: nn.Module, x: Tensor) -> Tensor:
        for name, value in named.items():
            setattr(self, name, value(x))
        return x

    return look


def counts(self: nn.Module, x: Tensor) -> Tensor:
    self.calls += 1
    if self.calls % 100 == 0:
        print(self.calls)  # noqa: T201  # as a student would
    return x


def appends(self: nn.Module, x: Tensor) -> Tensor:
    self.kept.append(x.detach())
    return x


def passes_through(self: nn.Module, x: Tensor) -> Tensor:
    self.features = F.relu(x)
    return self.features


def prints_a_mean(_: nn.Module, x: Tensor) -> Tensor:
    print(f"{x.mean().item():.2f}")  # noqa: T201  # as a student would
    return x


def hooked() -> nn.Module:
    model = Tiny()
    kept: dict[str, Tensor] = {}
    model.conv.register_forward_hook(lambda _m, _i, output: kept.__setitem__("conv", output.detach()))
    model.conv.register_full_backward_hook(lambda _m, _i, output: kept.__setitem__("gradient", output[0]))
    return model


WELL: dict[str, Callable[[], nn.Module]] = {
    "features": lambda: Tiny(keeps(features=lambda x: x)),
    "an array": lambda: Tiny(keeps(features=lambda x: x.detach().cpu().numpy())),
    "a shape, a number, the time": lambda: Tiny(
        keeps(shape=lambda x: x.shape, mean=lambda x: x.mean().item(), at=lambda _: time.time())
    ),
    "a count": lambda: Tiny(counts),
    "a list": lambda: Tiny(appends),
    "on the way": lambda: Tiny(passes_through),
    "a printed mean": lambda: Tiny(prints_a_mean),
    "hooks": hooked,
    "weight norm": lambda: nn.Sequential(nn.Flatten(), nn.utils.weight_norm(nn.Linear(108, 10))),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.slow
@pytest.mark.parametrize("name", WELL)
def test_what_is_kept_beside_the_computation_is_no_obstacle(name: str) -> None:
    model = WELL[name]()
    kept = {key: value for key, value in vars(model).items() if not key.startswith("_")}
    form = capture(model, SHAPE, 8)
    assert any(op == "aten.linear.default" for op, *_ in form.ir["train"]["nodes"])
    assert {key: value for key, value in vars(model).items() if not key.startswith("_")} == kept
    assert habits.found(model, SHAPE) == []


def test_a_list_of_layers_that_are_registered_too_is_none() -> None:
    model = Tiny()
    model.order = [model.conv, model.fc]
    assert habits.found(model, SHAPE) == []


def frozen() -> nn.Module:
    return Tiny().requires_grad_(requires_grad=False)


def with_a_list() -> nn.Module:
    model = Tiny(lambda self, x: self.more[0](x))
    model.more = [nn.Conv2d(2, 2, 1)]
    return model


def with_a_dict() -> nn.Module:
    model = Tiny(lambda self, x: self.more["a"](x))
    model.more = {"a": nn.Conv2d(2, 2, 1)}
    return model


ILL: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "list": (with_a_list, "its layers in self.more lie in a plain list"),
    "dict": (with_a_dict, "use nn.ModuleDict"),
    "frozen": (frozen, "all its weights are frozen"),
    "layer in forward": (lambda: Tiny(lambda _, x: nn.Conv2d(2, 2, 1)(x)), "makes layers at each call (Conv2d)"),
    "dropout": (lambda: Tiny(lambda _, x: F.dropout(x)), "training=self.training"),
    "dropout made in forward": (lambda: Tiny(lambda _, x: nn.Dropout()(x)), "make nn.Dropout once"),
    "detach": (lambda: Tiny(lambda _, x: x.detach()), "no gradient reaches conv"),
    "data": (lambda: Tiny(lambda _, x: x.data), "no gradient reaches conv"),
}


@pytest.mark.parametrize("name", ILL)
def test_what_keeps_a_network_from_learning_is_said(name: str) -> None:
    make, said = ILL[name]
    (found,) = habits.found(make(), SHAPE)
    assert said in found


def test_looking_leaves_model_and_random_numbers_as_they_were() -> None:
    model = Tiny(counts).eval()
    model.norm = nn.BatchNorm2d(2)
    state = torch.get_rng_state()
    habits.found(model, SHAPE)
    assert torch.equal(state, torch.get_rng_state())
    assert (model.calls, model.training, int(model.norm.num_batches_tracked)) == (0, False, 0)
    assert all(p.grad is None for p in model.parameters())


def test_of_a_network_that_does_not_run_nothing_is_said() -> None:
    assert habits.found(nn.Linear(5, 5), SHAPE) == []
