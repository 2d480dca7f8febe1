"""Inert stand-ins for packages around an answer that are not installed: for plots, progress, logs and settings.

Standard library and torch only. Whether such a package is there must not decide whether a network can be read.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import torch
from torch import nn

STAND_INS = frozenset(
    "matplotlib mpl_toolkits pylab seaborn plotly bokeh tqdm progressbar tensorboard tensorboardX torchsummary "
    "torchinfo torchviz hiddenlayer torchview netron visdom wandb IPython ipywidgets google prettytable tabulate "
    "termcolor colorama thop ptflops fvcore pytz pytorch_lightning lightning torchmetrics d2l marimo".split()
)
"""Packages around an answer: for drawing, progress, logging and tables. No layer or network is built of them."""


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


BOOK = "d2l"
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


class BookModule(LightningModule):
    """A network as the book "Dive into Deep Learning" has it: its arguments are attributes, `net` is its forward."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002  # of the book's plots
        super().__init__()

    def save_hyperparameters(self, ignore: Iterable[str] = ()) -> None:
        """The arguments that the constructor was called with, as attributes."""
        given = sys._getframe(1).f_locals  # noqa: SLF001  # the book's own looks there
        for name in given.keys() - {"self", "__class__", *ignore}:
            setattr(self, name, given[name])

    def forward(self, X: Any) -> Any:  # noqa: N803  # the book's name
        """The forward of a network that has none of its own."""
        net: Any = self.net
        return net(X)


class BookModules(StandInModule):
    """The book's package, inert but for the classes that networks derive from."""

    Module = Classifier = BookModule

    def __getattr__(self, name: str) -> Any:
        """`from d2l import torch as d2l` gives the same again."""
        return self if name == "torch" else super().__getattr__(name)


class StandIns(MetaPathFinder, Loader):
    """The last finder on `sys.meta_path`: gives inert modules for packages that are not installed.

    What the student should know of it is told to `say`.
    """

    def __init__(self, packages: Iterable[str], say: Callable[[str], None]) -> None:
        self._packages = frozenset(packages) | STAND_INS | DOTTED
        self._say = say

    def install(self) -> None:
        """From now on imports of these packages succeed."""
        sys.meta_path.append(self)
        if not has_tensorboard():
            # torch's own module would look at the version of what it imports
            sys.modules["torch.utils.tensorboard"] = StandInModule("torch.utils.tensorboard")

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        """The import system's question, asked when nobody else has the module."""
        here = fullname.partition(".")[0] in self._packages and not _asked_by_a_package()
        return ModuleSpec(fullname, self) if here else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """An inert module; that of Lightning has the class to derive networks from."""
        if spec.name.partition(".")[0] in LIGHTNING:
            self._say(f"{spec.name.partition('.')[0]} is not here: its LightningModule counts as an nn.Module")
            return LightningModules(spec.name)
        if spec.name.partition(".")[0] == BOOK:
            self._say(f"{BOOK} is not here: its Module and Classifier count as an nn.Module")
            return BookModules(spec.name)
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


@functools.cache
def has_tensorboard() -> bool:
    """Whether TensorBoard is installed; to look through all folders takes long enough to do it once, before a fork."""
    spec = importlib.util.find_spec("tensorboard")
    return spec is not None and not isinstance(spec.loader, StandIns)
