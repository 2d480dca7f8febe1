from __future__ import annotations

import argparse
import builtins
import importlib
import sys
import types
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from grader.source import settings
from grader.source.running import Missing
from grader.untrusted import shims, stand_ins


@pytest.fixture
def shimmed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process as student code finds it, put back afterwards."""
    fetch = torch.hub.load_state_dict_from_url
    places = [(Tensor, "to"), (Tensor, "cuda"), (builtins, "input"), (nn.Module, "load_state_dict"), (torch, "load")]
    places += [(torch.hub, "load"), (torch.hub, "download_url_to_file"), *((torch, name) for name in shims.FACTORIES)]
    for module in list(sys.modules.values()):
        places += [(module, k) for k, v in list(getattr(module, "__dict__", {}).items()) if v is fetch]
    places.append((argparse.ArgumentParser, "parse_known_args"))
    for owner, name in places:
        monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr(shims, "_said", [])
    shims.install()
    yield
    for name in [n for n, m in sys.modules.items() if isinstance(m, stand_ins.StandInModule)]:
        del sys.modules[name]


@pytest.mark.usefixtures("shimmed")
def test_a_network_sent_to_a_gpu_stays_and_runs() -> None:
    net = nn.Linear(3, 2, device="cuda:0").cuda().to("cuda").to(torch.device("cuda", 1))
    x = torch.ones(4, 3, device="cuda").cuda(non_blocking=True).to(0)
    assert net(x).device.type == net.weight.device.type == "cpu"
    assert isinstance(net.weight, nn.Parameter)


@pytest.mark.usefixtures("shimmed")
def test_a_parser_of_arguments_takes_its_defaults() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--hidden", default=30)
    assert parser.parse_args().hidden == 30


@pytest.mark.usefixtures("shimmed")
def test_an_argument_that_must_be_given_is_a_setting() -> None:
    settings.install(10, 3, 32)
    parser = argparse.ArgumentParser()
    for option in ("data", "--num-classes", "--net"):
        parser.add_argument(option, **({"required": True} if option[0] == "-" else {}))
    found = parser.parse_args()
    assert found.num_classes == 10
    with pytest.raises(settings.Unset, match="--net has no value here"):
        assert found.net == "lenet"
    with pytest.raises(settings.Unset, match="data has no value here"):
        open(found.data + "/train")  # noqa: PTH123, SIM115  # as students write it
    assert parser.parse_args(["x", "--num-classes", "7", "--net", "lenet"]).net == "lenet"


@pytest.mark.usefixtures("shimmed")
@pytest.mark.parametrize("line", ["from easydict import EasyDict as D", "from munch import Munch as D"])
def test_settings_with_dots_are_there_without_their_package(line: str) -> None:
    shims.stand_in(())
    space: dict[str, object] = {}
    exec(f"{line}\ncfg = D(net=dict(size=5))\ncfg.lr = cfg.net.size + 1", space)  # noqa: S102  # as the worker runs it
    assert space["cfg"] == {"net": {"size": 5}, "lr": 6}


@pytest.mark.usefixtures("shimmed")
def test_moving_between_types_is_as_ever() -> None:
    assert torch.ones(2).to(torch.float64).dtype is torch.float64
    assert torch.ones(2).to("cuda", dtype=torch.int64).dtype is torch.int64
    assert torch.ones(2).to(torch.zeros(1, dtype=torch.int32)).dtype is torch.int32


@pytest.mark.usefixtures("shimmed")
def test_pretrained_weights_leave_a_network_as_it_is_and_it_is_said_once() -> None:
    net = nn.Linear(3, 2)
    before = net.weight.clone()
    weights = torch.hub.load_state_dict_from_url("https://example.invalid/weights.pth")
    weights.pop("fc.weight")
    del weights["fc.bias"]
    net.load_state_dict(weights)
    torch.hub.load_state_dict_from_url("https://example.invalid/more.pth")
    assert torch.equal(net.weight, before)
    assert shims.said() == ("pretrained weights were asked for; there is no network here, so it keeps its random ones",)


@pytest.mark.usefixtures("shimmed")
def test_what_cannot_be_had_is_a_sentence() -> None:
    with pytest.raises(FileNotFoundError, match="no trained weights are needed"):
        torch.load("nowhere/cifar_net.pth")
    with pytest.raises(RuntimeError, match="write the network yourself"):
        torch.hub.load("pytorch/vision", "resnet18")
    with pytest.raises(RuntimeError, match="input\\('size: '\\) waits for an answer"):
        input("size: ")


@pytest.mark.usefixtures("shimmed")
def test_packages_around_an_answer_are_inert_where_they_lack() -> None:
    shims.stand_in(["prettypictures"])
    pictures = importlib.import_module("prettypictures.pyplot")
    with pictures.figure(figsize=(3, 3)) as figure:
        figure.axes[0].set_title("loss").show()
    assert list(pictures.tqdm(range(3))) == [0, 1, 2]

    class Logger(pictures.Writer):
        steps = 3

    assert Logger().steps == 3


@pytest.mark.usefixtures("shimmed")
def test_a_package_that_is_here_is_not_replaced_and_an_unknown_one_lacks() -> None:
    shims.stand_in(["json"])
    assert importlib.import_module("json").loads("[1]") == [1]
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("nobodys_package")


def test_any_use_of_a_name_that_was_not_imported_raises_the_imports_error() -> None:
    missing = Missing(ModuleNotFoundError("No module named 'timm'", name="timm"))
    for use in (lambda: missing.create_model("b0"), missing, lambda: types.new_class("Net", (missing,))):
        with pytest.raises(ModuleNotFoundError, match="timm"):
            use()


LIGHTNING = """
import {package} as pl
from {package}.callbacks import EarlyStopping

class Lit(pl.LightningModule):
    def __init__(self, lr=0.1):
        super().__init__()
        self.save_hyperparameters()
        self.fc = torch.nn.Linear(3, 2)
        self.stop = EarlyStopping("loss")
        self.twice = self.hparams.lr + self.hparams["lr"]
    def forward(self, x):
        self.log("mean", x.mean())
        return self.fc(x.to(self.device))

pl.seed_everything(3)
pl.Trainer(max_epochs=5).fit(Lit())
"""


@pytest.mark.usefixtures("shimmed")
@pytest.mark.parametrize("package", ["pytorch_lightning", "lightning", "lightning.pytorch"])
def test_a_module_of_lightning_is_a_plain_module_and_it_is_said(package: str) -> None:
    shims.stand_in(())
    space: dict[str, object] = {"torch": torch, "__name__": "submission"}
    exec(LIGHTNING.format(package=package), space)  # noqa: S102  # as the worker runs it
    net = space["Lit"]()  # type: ignore[operator]  # a class
    assert isinstance(net, nn.Module)
    assert net(torch.ones(4, 3)).shape == (4, 2)
    assert [s for s in shims.said() if "LightningModule counts as an nn.Module" in s]
