"""What ordinary student code asks of its surroundings and a worker does not have. Standard library and torch only.

There is no GPU, no network, nobody to answer a question, and not every package that draws or logs. Code that asks for
them means no harm: `.cuda()` leaves tensors where they are, packages for plots and progress are inert, pretrained
weights stay random, and the rest raises a sentence that says what to do. Nothing here is a wall: the sandbox is.
"""

from __future__ import annotations

import argparse
import builtins
import functools
import sys
import typing
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from grader.source import settings
from grader.untrusted.stand_ins import StandIns, has_tensorboard

ACCELERATORS = ("cuda", "mps", "xpu")
FACTORIES = (
    "empty zeros ones full rand randn randint randperm arange linspace eye tensor as_tensor "
    "empty_like zeros_like ones_like full_like rand_like randn_like"
).split()
NEWER_TYPING = ("override", "TypeIs", "ReadOnly")
_said: list[str] = []


def install() -> None:
    """Change torch and the built-in functions of this process; it is a worker and lives for one submission."""
    _keep_on_cpu()
    _answer_downloads()
    _leave_uncompiled()
    builtins.input = _no_input
    sys.argv[:] = ["submission.py"]  # argparse at the top level finds no arguments, and takes its defaults
    _answer_parsers()
    newer_typing()
    has_tensorboard()  # so that no worker looks for it


def newer_typing() -> None:
    """Some of what a newer Python's typing has, where torch brings typing_extensions: types decide nothing here.

    Not all of it: typing_extensions tells by typing's names which Python runs, and works otherwise with others.
    """
    extensions = sys.modules.get("typing_extensions")
    for name in NEWER_TYPING:
        if not hasattr(typing, name) and hasattr(extensions, name):
            setattr(typing, name, getattr(extensions, name))


def stand_in(packages: Iterable[str]) -> None:
    """From now on imports of packages around an answer succeed, and of these: what is not installed is inert."""
    StandIns(packages, _said.append).install()


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
