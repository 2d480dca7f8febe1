"""What ordinary student code asks of its surroundings and a worker does not have. Standard library and torch only.

There is no GPU, no network, nobody to answer a question, and not every package that draws or logs. Code that asks for
them means no harm: `.cuda()` leaves tensors where they are, packages for plots and progress are inert, pretrained
weights stay random, and the rest raises a sentence that says what to do. Nothing here is a wall: the sandbox is.
"""

from __future__ import annotations

import argparse
import builtins
import functools
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from grader.source import settings

ACCELERATORS = ("cuda", "mps", "xpu")
FACTORIES = (
    "empty zeros ones full rand randn randint randperm arange linspace eye tensor as_tensor "
    "empty_like zeros_like ones_like full_like rand_like randn_like"
).split()
STAND_INS = frozenset(
    "matplotlib mpl_toolkits pylab seaborn plotly bokeh tqdm progressbar tensorboard tensorboardX torchsummary "
    "torchinfo torchviz hiddenlayer torchview netron visdom wandb IPython ipywidgets google prettytable tabulate "
    "termcolor colorama thop ptflops fvcore pytz pytorch_lightning lightning torchmetrics".split()
)
"""Packages around an answer: for drawing, progress, logging and tables. No layer or network is built of them."""

_said: list[str] = []


def install() -> None:
    """Change torch and the built-in functions of this process; it is a worker and lives for one submission."""
    _keep_on_cpu()
    _answer_downloads()
    _leave_uncompiled()
    builtins.input = _no_input
    sys.argv[:] = ["submission.py"]  # argparse at the top level finds no arguments, and takes its defaults
    _answer_parsers()


def said() -> tuple[str, ...]:
    """What was replaced so far and the student should know of; a sentence each, without its end."""
    return tuple(dict.fromkeys(_said))


# --------------------------------------------------------------------------------------------------------------- GPU


def _keep_on_cpu() -> None:
    """`.cuda()`, `.to("cuda")` and `device="cuda"` leave a tensor on the CPU; modules move by their tensors."""
    move: Callable[..., Tensor] = Tensor.to

    @functools.wraps(move)
    def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if args and isinstance(args[0], int) and not isinstance(args[0], bool):
            args = ("cpu", *args[1:])  # `.to(0)` is the first GPU
        return move(self, *map(_on_cpu, args), **{k: _on_cpu(v) for k, v in kwargs.items()})

    Tensor.to = to  # type: ignore[method-assign, assignment]  # for the student's code
    Tensor.cuda = lambda self, *args, **kwargs: self  # type: ignore[method-assign]  # noqa: ARG005  # likewise
    for name in FACTORIES:
        setattr(torch, name, _made_on_cpu(getattr(torch, name)))


def _on_cpu(value: object) -> object:
    """The CPU for a device that is not here; anything else as it is."""
    is_device = isinstance(value, torch.device) or (isinstance(value, str) and value != "")
    return torch.device("cpu") if is_device and str(value).partition(":")[0] in ACCELERATORS else value


def _made_on_cpu(factory: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(factory)
    def make(*args: Any, **kwargs: Any) -> Any:
        if "device" in kwargs:
            kwargs["device"] = _on_cpu(kwargs["device"])
        return factory(*args, **kwargs)

    return make


# -------------------------------------------------------------------------------------------------------- compilation


def _leave_uncompiled() -> None:
    """torch.compile and torch.jit give back what they are given: faster here is no better, and a compiled network has
    no parts to look at.
    """
    torch.compile = _as_it_is
    torch.jit.script, torch.jit.trace = _as_it_is, _as_it_is  # type: ignore[assignment]  # for the student's code
    nn.Module.compile = lambda self, *args, **kwargs: None  # type: ignore[method-assign]  # noqa: ARG005  # likewise


def _as_it_is(model: Any = None, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG001  # takes what torch's functions take
    """The first argument; called with options alone, as a decorator may be, what gives its own first argument."""
    return _as_it_is if model is None else model


# --------------------------------------------------------------------------------------------------------- downloads


class NoWeights(dict[str, Any]):
    """Pretrained weights that were not downloaded: a network that loads them keeps the ones it has."""

    def pop(self, key: str, default: Any = None) -> Any:  # noqa: ARG002  # dict's own signature
        """Nothing is there to take out."""
        return default

    def __delitem__(self, key: str) -> None:
        pass


def _answer_downloads() -> None:
    """Weights from the network are `NoWeights`, other downloads and files that are not here raise a sentence."""
    fetch, load_state, load_file = torch.hub.load_state_dict_from_url, nn.Module.load_state_dict, torch.load

    def weights(*args: Any, **kwargs: Any) -> NoWeights:  # noqa: ARG001  # takes what torch.hub's takes
        _said.append("pretrained weights were asked for; there is no network here, so it keeps its random ones")
        return NoWeights()

    @functools.wraps(load_state)
    def load_state_dict(self: nn.Module, state_dict: Any, *args: Any, **kwargs: Any) -> Any:
        keeps = isinstance(state_dict, NoWeights)
        return load_state(self, self.state_dict() if keeps else state_dict, *args, **kwargs)

    @functools.wraps(load_file)
    def load(f: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return load_file(f, *args, **kwargs)
        except FileNotFoundError as e:
            raise FileNotFoundError(
                f"torch.load: there is no {str(f)[:100]} here, and no trained weights are needed. Leave the line out."
            ) from e

    for module in list(sys.modules.values()):
        for name in ("load_state_dict_from_url", "load_url"):
            if getattr(module, "__dict__", {}).get(name) is fetch:
                setattr(module, name, weights)
    nn.Module.load_state_dict = load_state_dict  # type: ignore[method-assign]  # for the student's code
    torch.load = load
    torch.hub.load = torch.hub.download_url_to_file = _no_download


def _no_download(*args: Any, **kwargs: Any) -> NoReturn:  # noqa: ARG001  # takes what torch.hub's functions take
    raise RuntimeError("there is no network here, so torch.hub cannot download anything: write the network yourself.")


def _no_input(prompt: object = "") -> NoReturn:
    raise RuntimeError(f"input({str(prompt)[:60]!r}) waits for an answer, and nobody is here: write the value instead.")


def _answer_parsers() -> None:
    """Arguments of the command line that must be given, and are not here, are settings of no known value."""
    parse = argparse.ArgumentParser.parse_known_args

    @functools.wraps(parse)
    def parse_known_args(self: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> Any:
        for action in self._actions if not args else ():
            if action.required and action.dest not in (None, argparse.SUPPRESS):
                action.required = False
                if action.default is None:
                    action.default = settings.value((action.option_strings or [action.dest])[-1], action.dest)
        return parse(self, args, namespace)

    argparse.ArgumentParser.parse_known_args = parse_known_args  # type: ignore[method-assign]  # for the student's code


# ------------------------------------------------------------------------------------------------- packages that lack


class Inert:
    """Stands for anything of a package that is not here: may be called, read, indexed and entered, and does nothing."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002  # takes everything
        """A first argument to call or run through comes back (a decorator, `for x in tqdm(loader)`), else this."""
        passes = bool(args) and not isinstance(args[0], str) and (callable(args[0]) or hasattr(args[0], "__iter__"))
        return args[0] if passes else self

    def __getattr__(self, name: str) -> Inert:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, key: object) -> Inert:
        return self

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def __iter__(self) -> Iterator[Inert]:
        return iter(())

    def __enter__(self) -> Inert:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type, ...]:
        return ()


class StandInModule(ModuleType):
    """A module whose every attribute is inert."""

    __path__: list[str] = []  # noqa: RUF012  # what makes a module a package
    __version__ = "0"
    __all__: list[str] = []  # noqa: RUF012  # `from pylab import *` gives nothing

    def __getattr__(self, name: str) -> Inert:
        if name.startswith("__"):
            raise AttributeError(name)
        return Inert()


LIGHTNING = frozenset({"pytorch_lightning", "lightning"})
DOTTED = frozenset({"easydict", "addict", "munch", "ml_collections", "box", "dotmap"})


class Dotted(dict[str, Any]):
    """Settings that can be read as items and as attributes, those within them too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        for key, value in dict(*args, **kwargs).items():
            self[key] = Dotted(value) if type(value) is dict else value

    __setattr__ = dict.__setitem__

    def __getattr__(self, name: str) -> Any:
        if name not in self:
            raise AttributeError(name)
        return self[name]


class DottedModule(StandInModule):
    """A module whose every class is a dict with attributes."""

    def __getattr__(self, name: str) -> Any:
        return Dotted if not name.startswith("__") else super().__getattr__(name)


class LightningModule(nn.Module):
    """A network with what Lightning adds to train it, which does nothing: networks are trained elsewhere."""

    trainer = None
    hparams: Any = Inert()

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next((p.device for p in self.parameters()), torch.device("cpu"))

    def log(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is logged."""

    log_dict = freeze = print = log

    def save_hyperparameters(self, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002  # Lightning's
        """The arguments that the constructor was called with, as `self.hparams`."""
        given = dict(sys._getframe(1).f_locals)  # noqa: SLF001  # Lightning itself looks there
        more = given.pop("kwargs", {})
        own = {k: v for k, v in given.items() if k not in ("self", "__class__", "args")}
        self.hparams = Dotted(own | (more if isinstance(more, dict) else {}))


class LightningModules(StandInModule):
    """Lightning and its modules, inert but for the class that networks derive from."""

    LightningModule = LightningModule


class StandIns(MetaPathFinder, Loader):
    """The last finder on `sys.meta_path`: gives inert modules for packages that are not installed."""

    def __init__(self, packages: Iterable[str]) -> None:
        self._packages = frozenset(packages) | STAND_INS | DOTTED

    def install(self) -> None:
        """From now on imports of these packages succeed."""
        sys.meta_path.append(self)
        if importlib.util.find_spec("tensorboard") is None or _is_stand_in("tensorboard"):
            # torch's own module would look at the version of what it imports
            sys.modules["torch.utils.tensorboard"] = StandInModule("torch.utils.tensorboard")

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        """The import system's question, asked when nobody else has the module."""
        here = fullname.partition(".")[0] in self._packages and not _asked_by_a_package()
        return ModuleSpec(fullname, self) if here else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """An inert module; that of Lightning has the class to derive networks from."""
        if spec.name.partition(".")[0] in LIGHTNING:
            _said.append(f"{spec.name.partition('.')[0]} is not here: its LightningModule counts as an nn.Module")
            return LightningModules(spec.name)
        if spec.name.partition(".")[0] in DOTTED:
            return DottedModule(spec.name)
        return StandInModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is run."""


def _asked_by_a_package() -> bool:
    """Whether it is an installed package that imports: it does without what is not here, and not with a stand-in."""
    frame = sys._getframe(2)  # noqa: SLF001  # who imports is to be seen nowhere else
    while frame.f_back and "importlib" in frame.f_code.co_filename:
        frame = frame.f_back
    return "site-packages" in frame.f_code.co_filename


def _is_stand_in(name: str) -> bool:
    spec = importlib.util.find_spec(name)
    return spec is not None and isinstance(spec.loader, StandIns)
