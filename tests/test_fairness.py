"""Right work in an unusual form gets its points, and wrong work a sentence that names the mistake."""

from __future__ import annotations

import sys
import typing
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
import typing_extensions
from torch import Tensor, nn

from grader.untrusted import building, makers, shims
from grader.untrusted.answers import run_layer
from grader.untrusted.building import NotAnAnswer
from tests.read import names, notebook_of, read

IMPORTS = "import torch\nfrom torch import nn"
NETWORK = """\
class {name}({base}):
    def __init__(self{arguments}):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 6, 5), nn.Flatten(), nn.Linear(6 * 28 * 28, {classes}))
    def forward(self, x):
        return self.net(x)
"""


def network(name: str, arguments: str = "", classes: str = "10", base: str = "nn.Module") -> str:
    return NETWORK.format(name=name, arguments=arguments, classes=classes, base=base)


# ------------------------------------------------------------------------------------------ functions with weights


def weight_first(weight: Tensor, x: Tensor, bias: Tensor) -> Tensor:
    return F.linear(x, weight, bias)


def input_last(W: Tensor, b: Tensor, inputs: Tensor) -> Tensor:  # noqa: N803  # as students write it
    return F.linear(inputs, W, b)


def one_name_says_nothing(theta: Tensor, x: Tensor, b: Tensor) -> Tensor:
    return x @ theta.T + b


def by_keyword(*, x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    return F.linear(x, kernel, bias)


WEIGHT, BIAS = torch.randn(30, 20), torch.zeros(30)


def weights_by_default(x: Tensor, weight: Tensor = WEIGHT, bias: Tensor = BIAS) -> Tensor:
    return x @ weight.T + bias


def bias_by_default(x: Tensor, w: Tensor, b: Tensor = BIAS) -> Tensor:
    return x @ w.T + b


@pytest.mark.parametrize(
    "function", [weight_first, input_last, one_name_says_nothing, by_keyword, weights_by_default, bias_by_default]
)
def test_the_names_of_parameters_say_where_the_input_goes(function: Callable[..., Tensor]) -> None:
    x, weight, bias = torch.randn(2, 20), torch.randn(30, 20), torch.randn(30)
    found = run_layer("linear", function, [x], {"weight": weight, "bias": bias}).output
    assert torch.allclose(found, F.linear(x, weight, bias))


# ------------------------------------------------------------------------------------------------------- networks


@pytest.mark.parametrize("function", [lambda x: x, lambda images, p=None: (images, p), lambda self, x: (self, x)])
def test_a_function_of_images_is_told_to_become_a_class(function: Callable[..., object]) -> None:
    with pytest.raises(NotAnAnswer, match=r"LeNet is a function of the images; wanted a class .* forward"):
        building.build_model("LeNet", function, 10, 3)


def test_an_object_of_another_package_does_not_hide_the_network_that_it_was_made_of() -> None:
    book = notebook_of(
        IMPORTS, "from accelerate import Accelerator", network("Model"), "net = Accelerator().prepare(Model())"
    )
    state = names(read(book, "q6_lenet"))["LeNet"]
    assert state["state"] == "found", state
    assert state["rule"].startswith("Model was taken for LeNet: it alone maps")


def test_a_class_that_is_named_and_broken_is_not_replaced_by_another() -> None:
    book = notebook_of(IMPORTS, network("LeNet5", base="nn.Modul"), network("Week8"))
    assert names(read(book, "q6_lenet"))["LeNet"]["state"] == "raised"


def test_a_network_within_a_class_that_only_holds_answers_is_found() -> None:
    inner = "\n".join(f"    {line}" for line in network("LeNet").split("\n"))
    state = names(read(notebook_of(IMPORTS, f"class Answers:\n{inner}"), "q6_lenet"))["LeNet"]
    assert state["state"] == "found", state
    assert "it stands within the class Answers" in state["rule"]


@pytest.mark.parametrize("arguments", [", in_ch, n_cls", ", in_chan, nb_class", ", img_channels, no_of_classes"])
def test_usual_names_of_arguments_are_filled_in(arguments: str) -> None:
    classes = arguments.rpartition(" ")[2]
    state = names(read(notebook_of(IMPORTS, network("CifarNet", arguments, classes)), "q6_lenet"))["LeNet"]
    assert state["state"] == "found", state


# ------------------------------------------------------------------------------------------------- a newer Python


def test_what_a_newer_python_has_for_types_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(typing, "override", raising=False)
    shims.newer_typing()
    assert vars(typing)["override"](len) is len
    assert typing_extensions.ParamSpec("P").__name__ == "P"  # it works otherwise with some names of typing


NEWER = """\
type Pair = tuple[int, int]
type Many[T] = list[T]
class LeNet[T: nn.Module, *Ts](nn.Module):
    kind: type[T]
    def __init__(self, act: type[T] = nn.ReLU) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 6, 5), act(), nn.Flatten(), nn.Linear(6 * 28 * 28, 10))
        print(f"made {"LeNet"}")
    def forward(self, x):
        def same[U](y: U) -> U: return y
        return same(self.net(x))
"""


def test_type_parameters_and_printing_of_a_newer_python_cost_no_answer() -> None:
    state = names(read(notebook_of(IMPORTS, NEWER), "q6_lenet"))["LeNet"]
    assert state["state"] == "found", state


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python reads it as it is")
def test_what_was_left_out_for_an_older_python_is_said() -> None:
    body = read(notebook_of(IMPORTS, NEWER), "q6_lenet").body()
    said = "\n".join(body["notes"])
    assert "line 3: type parameters need Python 3.12, and Python 3.11 reads this; they were left out." in said
    assert "Python 3.11 reads this; it may need a newer one. This statement was left out." in said
    assert not body["problems"]  # nothing that an answer may have been in


def test_a_line_that_only_prints_and_does_not_parse_is_left_out_alone() -> None:
    text = network("LeNet").replace("        return", "        print(x.shape))\n        return")
    assert names(read(notebook_of(IMPORTS, text), "q6_lenet"))["LeNet"]["state"] == "found"


# ----------------------------------------------------------------------------------------------------- other packages


def test_a_network_of_the_book_is_read_without_its_package() -> None:
    text = """\
class LeNet(d2l.Classifier):
    def __init__(self, lr=0.1, num_classes=10):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.LazyConv2d(6, 5), nn.ReLU(), nn.Flatten(), nn.LazyLinear(self.num_classes))
"""
    reading = read(notebook_of(IMPORTS, "from d2l import torch as d2l", text), "q6_lenet")
    made = makers.made(reading.network("LeNet"), (3, 32, 32), 10, 0)
    assert made.model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_a_name_that_a_package_lacks_is_told_without_its_place_on_this_machine() -> None:
    state = names(read(notebook_of(IMPORTS, "from torch.nn import Relu", "relu = Relu()"), "q2_relu"))["relu"]
    assert state["message"] == "cannot import name 'Relu' from 'torch.nn'"


# ----------------------------------------------------------------------------------------------- layers of one's own


class Dense(nn.Module):
    """A fully connected layer as it is written by hand, its weight the other way round."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.randn(inputs, outputs))
        self.b = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        product: Tensor = x @ self.W
        return product + self.b


def test_a_layer_by_hand_is_given_its_weights_under_its_own_names_and_the_way_they_lie() -> None:
    x, weight, bias = torch.randn(2, 20), torch.randn(30, 20), torch.randn(30)
    found = run_layer("linear", Dense(20, 30), [x], {"weight": weight, "bias": bias}).output
    assert torch.allclose(found, F.linear(x, weight, bias), atol=1e-5)


def test_a_layer_of_other_sizes_is_not_turned() -> None:
    x, weight, bias = torch.randn(2, 20), torch.randn(30, 20), torch.randn(30)
    with pytest.raises(NotAnAnswer, match=r"linear's weight has shape \(20, 30\)"):
        run_layer("linear", nn.Linear(30, 20), [x], {"weight": weight, "bias": bias})


def test_a_function_that_makes_a_layer_of_its_defaults_is_called_without_the_input() -> None:
    def conv(in_channels: int = 3, out_channels: int = 4) -> nn.Module:
        return nn.Conv2d(in_channels, out_channels, 1)

    weights = {"weight": torch.randn(4, 3, 1, 1), "bias": torch.randn(4)}
    x = torch.randn(1, 3, 2, 2)
    assert torch.allclose(
        run_layer("conv", conv, [x], weights).output, F.conv2d(x, weights["weight"], weights["bias"]), atol=1e-6
    )


def test_what_a_function_with_defaults_raises_is_told_where_it_makes_no_layer() -> None:
    def relu(x: Tensor | None = None) -> Tensor:
        raise AttributeError(f"no name for {type(x)}")

    with pytest.raises(AttributeError, match=r"no name for .*Tensor"):
        run_layer("relu", relu, [torch.randn(2)], None)


def test_a_forward_without_return_is_told_to_have_one() -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor) -> None:
            x.flatten(1)

    with pytest.raises(NotAnAnswer, match=r"returned None; .* End the function with return and the result"):
        building.check_output("LeNet", Net(), (3, 32, 32), 10)


def test_a_network_in_a_cell_of_marimo_is_read_without_its_package() -> None:
    text = """
import marimo
app = marimo.App(width="medium")
@app.cell
def __():
    import marimo as mo
    from torch import nn
    return mo, nn
@app.cell
def __(nn):
    class LeNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3072, 10)
        def forward(self, x):
            return self.fc(x.flatten(1))
    return (LeNet,)
"""
    assert names(read({"hw.py": text.encode()}, "q6_lenet"))["LeNet"]["state"] == "found"


def test_layers_that_answer_other_questions_are_no_reason_why_a_network_is_missing() -> None:
    text = "class Mine(nn.Module):\n    def forward(self, x): return x @ self.w\nlinear = Mine()"
    message = names(read(notebook_of(IMPORTS, text), "q6_lenet"))["LeNet"]["message"]
    assert message.endswith("Bind your answer to the name LeNet")
