"""What is found of a submission by name, and in the other ways when a name is open."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from grader.untrusted.reading import Reading
from tests.read import names, notebook_of, read

NETWORK = """\
class {name}(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d({channels}, 6, 5{more})
        self.fc = nn.Linear({features}, {classes})
    def forward(self, x):
        return self.fc(self.conv(x).flatten(1))
"""
IMPORTS = "import torch\nfrom torch import nn"


def network(
    name: str, channels: int = 3, features: int = 6 * 28 * 28, classes: int = 10, *, depthwise: bool = False
) -> str:
    if not depthwise:
        return NETWORK.format(name=name, channels=channels, features=features, classes=classes, more="")
    return NETWORK.format(name=name, channels=3, features=features, classes=classes, more=", groups=3")


# ------------------------------------------------------------------------------------------- the whole file, second


def test_a_name_that_only_running_everything_binds_is_found_and_said() -> None:
    cells = [IMPORTS, "exec('relu = nn.ReLU()')", "for q in ['linear']:\n    globals()[q] = nn.Linear(20, 30)"]
    found = names(read(notebook_of(*cells)))
    assert (found["relu"]["state"], found["linear"]["state"]) == ("found", "found")
    assert "relu was bound when the whole of submission.ipynb was run" in found["relu"]["rule"]


def test_a_slice_that_lacks_a_name_is_cured_by_the_whole_file() -> None:
    cells = [IMPORTS, "exec('N = 30')", "linear = nn.Linear(20, N)"]
    reading = read(notebook_of(*cells), "q5_linear")
    rule = names(reading)["linear"]["rule"]
    assert rule.endswith("because the statements that linear needs raised NameError: name 'N' is not defined")
    assert reading.body()["questions"]["q5_linear"]["dropped"][0].startswith("the whole of submission.ipynb was run")


def test_where_the_whole_file_fails_too_the_first_failure_is_told() -> None:
    found = names(read(notebook_of(IMPORTS, "linear = nn.Linear(20, N)")))
    assert (found["linear"]["state"], found["linear"]["message"]) == ("raised", "name 'N' is not defined")


def test_what_no_other_statement_can_cure_is_not_tried_again() -> None:
    reading = read(notebook_of(IMPORTS, "linear = nn.Linear(20, thirty=30)", "import sys\nsys.exit()"), "q5_linear")
    assert "whole" not in reading.body()["tries"]


def test_an_import_of_torchs_own_is_no_answer_and_does_not_hide_one() -> None:
    cell = "from torch.nn import Linear, ReLU\nmine = Linear(20, 30)\nout = mine(torch.zeros(4, 20))"
    found = names(read(notebook_of(IMPORTS, cell)))
    assert found["linear"]["rule"].startswith("taken from submission.ipynb, cell 2, line 3: nn.Linear(20, 30)")
    assert found["relu"]["state"] == "missing"


# --------------------------------------------------------------------------------------------- networks by their role


@pytest.mark.parametrize(("depthwise", "question"), [(False, "q6_lenet"), (True, "q7_efficientnet")])
def test_one_unnamed_network_goes_where_its_convolutions_belong(depthwise: bool, question: str) -> None:
    book = notebook_of(IMPORTS, network("Model", depthwise=depthwise))
    for asked in ("q6_lenet", "q7_efficientnet"):
        state = next(iter(names(read(book, asked)).values()))
        assert state["state"] == ("found" if asked == question else "missing"), state


def test_two_unnamed_networks_are_told_apart_by_depthwise_convolutions() -> None:
    book = notebook_of(IMPORTS, network("Mine"), network("Other", depthwise=True))
    assert "Mine was taken for LeNet" in names(read(book, "q6_lenet"))["LeNet"]["rule"]
    rule = names(read(book, "q7_efficientnet"))["EfficientNet"]["rule"]
    assert (
        rule == "Other was taken for EfficientNet: it alone maps (N, 3, 32, 32) to (N, 10) with depthwise convolutions"
    )


def test_names_decide_before_depthwise_convolutions_do() -> None:
    book = notebook_of(IMPORTS, network("LeNet", depthwise=True))
    assert names(read(book, "q6_lenet"))["LeNet"]["state"] == "found"
    assert names(read(book, "q7_efficientnet"))["EfficientNet"]["state"] == "missing"


def test_a_network_that_went_elsewhere_is_said_to_have() -> None:
    book = notebook_of(IMPORTS, network("Model", depthwise=True))
    message = names(read(book, "q6_lenet"))["LeNet"]["message"]
    assert "Model has depthwise convolutions and was taken for EfficientNet: if it is LeNet, name it so" in message


def test_an_unnamed_network_that_does_not_fit_is_told_why() -> None:
    message = names(read(notebook_of(IMPORTS, network("Model", classes=100)), "q6_lenet"))["LeNet"]["message"]
    assert "Model maps 2 images of shape (3, 32, 32) to (2, 100); wanted (2, 10)" in message


def test_a_network_inside_a_function_is_out_of_reach_and_said() -> None:
    inner = "\n".join(f"    {line}" for line in network("LeNet").split("\n"))
    main = f"def main(classes):\n{inner.replace('10)', 'classes)')}"
    message = names(read(notebook_of(IMPORTS, main), "q6_lenet"))["LeNet"]["message"]
    assert message.startswith("LeNet is there only inside main() (submission.ipynb, cell 2, line 2)")


def rule(reading: Reading, name: str) -> str:
    return str(names(reading)[name].get("rule") or names(reading)[name]["message"])


def test_a_network_that_main_makes_is_found_by_its_name_and_else_by_what_it_does() -> None:
    made = "nn.Sequential(nn.Conv2d(3, 6, 5), nn.Flatten(), nn.Linear(6 * 28 * 28, 10))"
    for name, found in (
        ("net", "net was taken for LeNet, by its name"),
        ("thing", "thing was taken for LeNet: it alone"),
    ):
        said = rule(read(notebook_of(IMPORTS, f"def main(lr):\n    {name} = {made}"), "q6_lenet"), "LeNet")
        assert said.startswith(found)
        assert said.endswith("it stands within main() and is read as if it stood outside")


@pytest.mark.parametrize(
    ("more", "how"),
    [
        ("model = Mine()", "it alone is made into a network"),
        ("def main():\n    model = Mine()", "it alone is made into a network"),
        ('models = {"lenet": Mine, "base": Other}', "it alone is called 'lenet'"),
    ],
)
def test_of_two_that_fit_the_one_that_is_used_is_taken(more: str, how: str) -> None:
    book = notebook_of(IMPORTS, network("Mine"), network("Other"), more)
    assert rule(read(book, "q6_lenet"), "LeNet") == f"Mine was taken for LeNet: of Mine, Other {how}"


def test_of_two_near_names_the_one_that_fits_is_taken() -> None:
    book = notebook_of(IMPORTS, network("LeNetA", classes=100), network("LeNetB"))
    assert rule(read(book, "q6_lenet"), "LeNet").startswith(
        "LeNetB was taken for LeNet: of LeNetA, LeNetB it alone maps"
    )
    both = notebook_of(IMPORTS, network("LeNetA"), network("LeNetB"))
    assert rule(read(both, "q6_lenet"), "LeNet").endswith(
        "LeNetA, LeNetB each map (N, 3, 32, 32) to (N, 10): name the right one LeNet"
    )


def test_what_is_like_the_name_and_was_not_taken_is_said() -> None:
    book = notebook_of(IMPORTS, network("Lenet"), network("LeNet"), "lenet = LeNet()")
    assert rule(read(book, "q6_lenet"), "LeNet").endswith("; Lenet is like it in name and not taken")


@pytest.mark.parametrize("last", ["", "net = net.cuda()"])
def test_what_is_made_of_the_other_network_is_no_answer_for_being_called_net(last: str) -> None:
    book = notebook_of(IMPORTS, network("EfficientNet", depthwise=True), "net = EfficientNet()", last)
    assert "nothing is named LeNet or alike" in rule(read(book, "q6_lenet"), "LeNet")
    assert rule(read(book, "q7_efficientnet"), "EfficientNet").startswith("EfficientNet was found under its own name")


def test_what_is_imported_of_torchvision_is_a_tool_and_what_is_made_of_it_the_answer() -> None:
    head = "net = efficientnet_b0(weights=None)\nnet.classifier[1] = nn.Linear(1280, 10)"
    book = notebook_of(IMPORTS, "from torchvision.models import efficientnet_b0", head)
    found = read(book, "q7_efficientnet")
    assert rule(found, "EfficientNet").startswith("net was taken for EfficientNet: it alone maps")


def test_what_no_statement_could_bind_is_told_by_what_its_own_raised() -> None:
    files = {"a.py": b"width = len(open('widths.txt').read())\ndef relu(x):\n    return x.clamp(width)"}
    found = read(files, "q2_relu")
    found.complete("relu")
    with pytest.raises(NameError) as caught:
        found.bound["relu"](torch.zeros(1))
    assert isinstance(found.cause_of(caught.value), FileNotFoundError)


def test_a_choice_by_a_setting_that_nobody_knows_is_left_open_and_named_where_nothing_else_tells() -> None:
    chosen = "from options import opt\nnet = {'%s': Mine, 'base': Other}[opt.model]()"
    said = [
        rule(read(notebook_of(IMPORTS, network("Mine"), network("Other"), chosen % label), "q6_lenet"), "LeNet")
        for label in ("lenet", "best")
    ]
    assert said[0] == "Mine was taken for LeNet: of Mine, Other it alone is called 'lenet'"
    assert said[1].startswith("opt.model has no value here")
    assert said[1].endswith("Mine, Other each map (N, 3, 32, 32) to (N, 10): name the right one LeNet")


# ------------------------------------------------------------------------------------------------------ own modules


def test_an_absent_package_in_a_module_of_ones_own_costs_only_what_uses_it() -> None:
    module = b"import timm\nfrom torch import nn\nrelu = nn.ReLU()\ndef linear():\n    return timm.create_model('x')\n"
    reading = read({"submission.py": b"from layers import relu, linear", "layers.py": module})
    assert isinstance(reading.bound["relu"], nn.ReLU)
    with pytest.raises(ModuleNotFoundError, match="timm"):
        reading.bound["linear"]()  # type: ignore[operator]  # it is a function, and raises


def test_what_a_module_of_ones_own_raised_is_told_where_its_name_is_used() -> None:
    module = b"from torch import nn\nrelu = nn.ReLU(1, 2, 3)\nlinear = nn.Linear(20, 30)\n"
    found = names(read({"submission.py": b"from layers import *\nfrom layers import relu", "layers.py": module}))
    assert found["relu"]["state"] == "raised"
    assert (found["relu"]["type"], found["relu"]["where"]) == ("TypeError", "layers.py, line 2")


# ------------------------------------------------------------------------------------------------- said only once


def test_what_is_missing_for_one_reason_has_one_message() -> None:
    messages = {s["message"] for s in names(read(notebook_of("x = 1"), "q1_conv2d")).values()}
    assert messages == {
        (
            "nothing is named conv_stride, conv_padding or conv_dilation, or alike; found instead: x (assignment, "
            "submission.ipynb, cell 1, line 1). Bind your answers "
            "to the names conv_stride, conv_padding and conv_dilation"
        )
    }


def test_names_that_are_still_open_are_said_together() -> None:
    code = "max_pool_square = None\nmax_pool_rectangle = ..."
    messages = {s["message"] for s in names(read(notebook_of(code), "q3_maxpool")).values()}
    assert messages == {
        (
            "max_pool_square and max_pool_rectangle are still None (the first: submission.ipynb, cell 1, line 1): "
            "put your own answers there"
        )
    }


def test_the_images_of_an_explanation_are_noted() -> None:
    text = "#md ## Q1 explanation\nBecause.\n![a](attachment:image.png)\n<img src='b.png'>"
    read_ = read(notebook_of(text, "x = 1"), "q1_conv2d").body()["questions"]["q1_conv2d"]
    assert read_["dropped"][0] == "the explanation holds 2 images, which are to be seen in the notebook only"


def test_why_a_class_could_not_be_defined_is_said_where_the_network_is_missing() -> None:
    state = names(read(notebook_of(IMPORTS, "class Mine(nn.Moudle):\n    pass"), "q6_lenet"))["LeNet"]
    assert state["state"] == "missing"
    assert "Mine raised AttributeError: module 'torch.nn' has no attribute 'Moudle'" in state["message"]


def test_why_an_unnamed_object_is_no_answer_is_said() -> None:
    state = names(read(notebook_of(IMPORTS, "model = nn.Sequential(nn.Flatten(), nn.Linear(3072, 3))"), "q6_lenet"))
    assert "model maps 2 images of shape (3, 32, 32) to (2, 3)" in state["LeNet"]["message"]


def test_a_layer_that_is_shown_is_no_network_to_speak_of() -> None:
    state = names(
        read(notebook_of(IMPORTS, "m = nn.Conv2d(16, 33, 3)", "out = m(torch.zeros(1, 16, 9, 9))"), "q6_lenet")
    )
    assert state["LeNet"]["message"].endswith("Bind your answer to the name LeNet")


def test_a_package_that_every_network_needs_is_what_went_wrong() -> None:
    keras = "from keras.models import Sequential\nfrom keras.layers import Dense"
    state = names(read(notebook_of(keras, "def build_model():\n    return Sequential()"), "q6_lenet"))["LeNet"]
    assert (state["state"], state["package"]) == ("raised", "keras")


def test_a_function_that_makes_a_network_is_found_by_role() -> None:
    code = "def create_model():\n    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))"
    train = "def train():\n    create_model()(torch.zeros(1, 3, 32, 32)).sum().backward()"
    rule = names(read(notebook_of(IMPORTS, code, train), "q6_lenet"))["LeNet"]["rule"]
    assert rule.startswith("create_model was taken for LeNet: it alone maps")
