"""Settings that nothing handed in gives: carried about, filled in by their names, or named where they are used."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

from grader.source import notebook, settings
from grader.source.settings import Setting, Unset
from grader.untrusted.shelf import Shelf


@pytest.fixture(autouse=True)
def installed() -> None:
    settings.install(10, 3, 32)


@pytest.mark.parametrize("name", ["args", "cfg", "CFG", "config", "opt", "my_config", "hparams", "FLAGS", "train_args"])
def test_names_that_hold_settings_are_known(name: str) -> None:
    assert settings.holds_settings(name)
    assert settings.gives_settings(f"get_{name}")


@pytest.mark.parametrize("name", ["optimizer", "argmax", "net", "confusion", "options_net", "param_groups", "x"])
def test_other_names_hold_none(name: str) -> None:
    assert not settings.gives_settings(name)


def test_what_a_name_says_is_filled_in_and_said() -> None:
    args = Setting("args")
    assert (args.num_classes, args["in_channels"], args.model.img_size, args.get("device")) == (10, 3, 32, "cpu")
    assert settings.said()[0] == "args.num_classes is 10 here, since nothing that could be run sets it"


def test_a_setting_is_carried_about_without_harm() -> None:
    module = nn.Linear(1, 1)
    module.lr = Setting("args").lr
    assert str(copy.deepcopy(module).lr) == "args.lr"
    assert Setting("args")
    assert dict(**Setting("args")) == {}
    assert Setting("args").get("lr", 5) == 5


def test_a_default_that_is_asked_with_a_setting_counts_unless_the_images_say_otherwise() -> None:
    args = Setting("args")
    assert settings.attribute(args, "hidden", 120) == 120
    assert settings.attribute(args, "dropout", 0.5) == 0.5
    assert settings.attribute(args, "num_classes", 10) == 10
    assert settings.said() == ()
    assert settings.attribute(args, "num_classes", 100) == 10
    assert settings.said() == ("args.num_classes is 10 here, not 100 as by default",)


def test_only_settings_are_asked_in_another_way_than_by_the_built_in_functions() -> None:
    assert settings.attribute(3, "real") == 3
    assert settings.attribute(3, "imaginary", 7) == 7
    assert settings.has_attribute(3, "real")
    assert not settings.has_attribute(3, "imaginary")
    assert settings.has_attribute(Setting("args"), "num_classes")
    assert not settings.has_attribute(Setting("args"), "hidden")


@pytest.mark.parametrize(
    ("line", "key", "wanted"),
    [
        ("    p.add_argument('--hidden-size', type=int, default='120')", "hidden_size", 120),
        ("    p.add_argument('-b', '--use-bias', action='store_true')", "use_bias", False),
        ("    p.set_defaults(hidden=84)", "hidden", 84),
        ("    args.hidden = 84", "hidden", 84),
        ("    cfg.model['hidden'] = [120, 84]", "hidden", [120, 84]),
        ("    cfg = EasyDict(hidden=84)", "hidden", 84),
        ("    hparams = {'hidden': 84}", "hidden", 84),
    ],
)
def test_a_value_that_stands_where_nothing_is_run_counts_and_its_place_is_said(
    line: str, key: str, wanted: Any
) -> None:
    book = notebook.open_({"a.py": f"def main(args):\n{line}\n    train(args)".encode()})
    settings.install(10, 3, 32, lambda: book.declared)
    assert Setting("args")[key] == wanted
    assert settings.said() == (f"args[{key!r}] is {wanted} here, as the file sets it (a.py, line 2)",)


@pytest.mark.parametrize(
    ("default", "said"),
    [
        ("10", "args.num_classes is 10 here, as the file sets it (a.py, line 2)"),
        ("1000", "args.num_classes is 10 here, not 1000 as the file sets it (a.py, line 2)"),
    ],
)
def test_where_the_images_ask_for_another_number_both_are_said(default: str, said: str) -> None:
    book = notebook.open_({"a.py": f"def main():\n    p.add_argument('--num_classes', default={default})".encode()})
    settings.install(10, 3, 32, lambda: book.declared)
    assert Setting("args").num_classes == 10
    assert settings.said() == (said,)


USES: list[Callable[[Any], object]] = [
    bool,
    int,
    float,
    len,
    list,
    lambda lr: lr + 1,
    lambda lr: 2 * lr,
    lambda lr: lr == "sgd",
    lambda lr: lr > 0,
    lambda lr: lr in {1: 2},
    lambda lr: lr(),
    lambda lr: [1][lr],
]


@pytest.mark.parametrize("use", USES)
def test_using_a_setting_that_nobody_knows_names_it(use: Callable[[Any], object]) -> None:
    with pytest.raises(Unset, match=r"args\.lr has no value here: .* Give it a value in the code, or hand in the file"):
        use(Setting("args").lr)


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("from nowhere import cfg, NUM_CLASSES\nnet = cfg.n_classes + NUM_CLASSES", 20),
        ("import nowhere.config as config\nnet = config.NUM_CLASSES", 10),
        ("from nowhere import *\nnet = NUM_CLASSES + args.num_classes", 20),
        ("with open('no.yaml') as f:\n    cfg = load(f)\nnet = cfg['num_classes']", 10),
        ("data = CIFAR10()\nnum_classes = len(data.classes)\nnet = num_classes", 10),
        ("data = CIFAR10()\nclasses = data.classes\ndef make(): return len(classes)\nnet = make()", 10),
    ],
)
def test_what_could_not_be_had_is_lent(code: str, wanted: int) -> None:
    book = notebook.open_({"a.py": code.encode()})
    assert Shelf(book, book.slice(["net"])).get("net") == wanted


@pytest.mark.parametrize("code", ["net = num_classes", "net = args.num_classes", "import numpy as np\nnet = opt.lr"])
def test_a_name_that_nothing_could_have_bound_is_still_missing(code: str) -> None:
    book = notebook.open_({"a.py": code.encode()})
    shelf = Shelf(book, book.slice(["net"]))
    assert isinstance(shelf.error_of("net"), NameError)
