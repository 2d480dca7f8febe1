"""A network whose class cannot be called as it is, is made as the submission makes it."""

from __future__ import annotations

import pytest
import torch

from grader.source import settings
from grader.untrusted import makers
from grader.untrusted.building import NotAnAnswer
from tests.read import imports, notebook_of, read

SHAPE = (3, 32, 32)
NET = """
import torch
from torch import nn

class LeNet(nn.Module):
    def __init__(self, {arguments}):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d({channels}, 6, 5), nn.Flatten(), nn.Linear(6 * 28 * 28, {classes}))
    def forward(self, x):
        return self.net(x)
"""


def made(*cells: str, name: str = "LeNet") -> makers.Made:
    """The network of a notebook."""
    question = "q6_lenet" if name == "LeNet" else "q7_efficientnet"
    reading = read(notebook_of(*cells), question)
    with imports(reading.network(name).book):
        return makers.made(reading.network(name), SHAPE, 10, 0)


def net(arguments: str, channels: str = "3", classes: str = "10") -> str:
    return NET.format(arguments=arguments, channels=channels, classes=classes)


def test_a_network_that_can_be_called_is_not_made_otherwise() -> None:
    assert made(net("spare=None"), "model = LeNet(spare=3)").note == ""


@pytest.mark.parametrize("arguments", ["num_of_classes, p", "n_classes, device", "num_classes, dropout_prob"])
def test_usual_arguments_are_filled_from_their_names(arguments: str) -> None:
    assert made(net(arguments, classes=arguments.partition(",")[0])).note == ""


def test_our_number_of_classes_replaces_another_default_and_is_said() -> None:
    cell = net("in_channels=1, num_classes=1000", "in_channels", "num_classes")
    assert (
        made(cell).note == "in_channels is 3 here, not 1 as by default; num_classes is 10 here, not 1000 as by default"
    )


def test_a_default_that_fits_is_left_alone() -> None:
    """`channels` may as well be the width of a layer."""
    cell = net("channels=12").replace("3, 6, 5", "3, channels, 5").replace("6 * 28", "channels * 28")
    assert next(made(cell).model.parameters()).shape[0] == 12


@pytest.mark.parametrize("call", ["return LeNet(cfg)", "net = LeNet(cfg)\n    return net.to('cpu')"])
def test_a_function_that_makes_it_is_called(call: str) -> None:
    cells = net("cfg", classes="cfg['classes']"), f"def small():\n    cfg = dict(classes=10)\n    {call}"
    assert made(*cells).note == "it is made by small()"


def test_a_function_is_called_through_another() -> None:
    cells = net("cfg", classes="cfg"), "def _make(cfg):\n    return LeNet(cfg)", "def tiny():\n    return _make(10)"
    assert made(*cells).note == "it is made by tiny()"


def test_a_function_that_makes_it_is_given_our_number_of_classes() -> None:
    cells = net("width, total", classes="total"), "def b0(num_classes=1000):\n    return LeNet(1.0, num_classes)"
    assert made(*cells).note == "it is made by b0(); num_classes is 10 here, not 1000 as by default"


@pytest.mark.parametrize("guard", ["", "if __name__ == '__main__':\n    "])
def test_it_is_made_as_an_object_of_the_file_is(guard: str) -> None:
    cells = net("cfg", classes="cfg['classes']"), f"{guard}model = LeNet(dict(classes=10)).cpu()"
    assert made(*cells).note == "it is made as model is"


def test_an_object_is_made_anew_from_each_seed() -> None:
    reading = read(notebook_of(net("cfg", classes="cfg"), "model = LeNet(10)"), "q6_lenet")
    one, same, other = (makers.made(reading.network("LeNet"), SHAPE, 10, seed).model for seed in (1, 1, 2))
    first = [next(m.parameters()) for m in (one, same, other)]
    assert first[0].equal(first[1])
    assert not first[0].equal(first[2])


def test_another_network_of_the_file_is_no_stand_in() -> None:
    cells = net("n", classes="n"), "def f():\n    print(LeNet)\n    LeNet(1)\n    return nn.Linear(3072, 10)"
    with pytest.raises(NotAnAnswer, match="needs the argument n "):
        made(*cells)


def test_what_trains_is_not_called_and_the_statement_in_it_that_makes_the_network_is_run_alone() -> None:
    train = "def train(epochs):\n    m = LeNet(10)\n    m(torch.zeros(epochs)).backward()\n    return m"
    assert made(net("n", classes="n"), train).note == "it is made as m is"
    with pytest.raises(NotAnAnswer, match="needs the argument n "):
        made(net("n", classes="n"), train.replace("10", "epochs"))


@pytest.mark.parametrize("use", ["cfg.classes", 'cfg["num_classes"]', "cfg.get('out_dim')", "cfg.model.n_classes"])
def test_a_setting_whose_name_says_what_it_must_be_is_filled_in(use: str) -> None:
    found = made(net("cfg", classes=use))
    assert found.model(torch.zeros(2, *SHAPE)).shape == (2, 10)
    assert "is 10 here, since nothing that could be run sets it" in settings.said()[0]


@pytest.mark.parametrize("use", ["cfg.hidden", "cfg['hidden'] * 2", "int(cfg.hidden)"])
def test_a_setting_that_nobody_can_know_is_named(use: str) -> None:
    with pytest.raises(NotAnAnswer, match=r"LeNet cannot be built: cfg\W+hidden\W* has no value here"):
        made(net("cfg", classes=use))


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ("class Config:\n    hidden = 10", "Config() is given for cfg"),
        ("def get_config():\n    return Namespace(hidden=10)", "get_config() is given for cfg"),
        ("if __name__ == '__main__':\n    opt = Namespace(hidden=10)", "opt is given for cfg"),
    ],
)
def test_settings_of_the_file_go_before_invented_ones(own: str, told: str) -> None:
    found = made("from argparse import Namespace", own, net("cfg", classes="cfg.hidden"))
    assert found.note == told


def test_the_first_network_that_was_built_is_spoken_of() -> None:
    cells = net("cfg", classes="cfg"), "def hundred():\n    return LeNet(100)"
    with pytest.raises(NotAnAnswer, match=r"hundred maps 2 images .* to \(2, 100\)"):
        made(*cells)
