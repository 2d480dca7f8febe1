"""Networks of what a student bound to a name: built, and run once to see whether they fit. Beside student code.

Only the standard library and torch. Arguments that every network of its kind has (`num_classes`, `in_channels`, ...)
are filled from their names; pretrained weights are not asked for.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType, GeneratorType
from typing import Any

import torch
from torch import nn

from grader import scores
from grader.source import settings
from grader.source.settings import CHANNELS, CLASSES, PRETRAINED
from grader.untrusted import diagnosis

IMAGES = frozenset("x xb input inputs inp img imgs image images batch data tensor".split())
"""What students call the images that a network is given."""


class NotAnAnswer(Exception):
    """What was found cannot be run as what the question asks; the text tells the student why."""


def build_model(
    name: str, value: object, classes: int, channels: int, given: dict[str, Any] | None = None
) -> nn.Module:
    """The network behind a name, built under the caller's seed. Raises `NotAnAnswer`.

    `given` arguments replace defaults. A network in nn.DataParallel is taken out: there is nothing to run in parallel.
    """
    model = _built(name, value, classes, channels, given or {})
    return model.module if isinstance(model, nn.DataParallel) else model


def _built(name: str, value: object, classes: int, channels: int, given: dict[str, Any]) -> nn.Module:
    if isinstance(value, nn.Module):
        return value
    if not callable(value):
        raise NotAnAnswer(f"{name} is {described_as(value)}; wanted a class that derives from nn.Module.")
    if isinstance(value, type) and not issubclass(value, nn.Module):
        raise NotAnAnswer(f"the class {name} does not derive from nn.Module: write class {name}(nn.Module).")
    if _is_of_images(value):
        raise NotAnAnswer(
            f"{name} is a function of the images; wanted a class that derives from nn.Module. Write class {name}"
            f"(nn.Module): make the layers in __init__, and put what the function does into forward."
        )
    model = construct(name, value, settings.known(classes, channels), given)
    if not isinstance(model, nn.Module):
        raise NotAnAnswer(f"{name}() returned {described_as(model)}; wanted an nn.Module.")
    return model


def _is_of_images(value: Callable[..., object]) -> bool:
    """Whether it is a function that must be given images, as forward is."""
    first = [p for p in required_of(value) or [] if p != "self"][:1] if isinstance(value, FunctionType) else []
    return bool(first) and first[0].lower() in IMAGES


def replaceable(value: object, classes: int, channels: int) -> dict[str, tuple[int, int]]:
    """The optional arguments for the numbers of classes and channels: (the default, what the question gives)."""
    wanted = dict.fromkeys(CLASSES, classes) | dict.fromkeys(CHANNELS, channels)
    if isinstance(value, nn.Module) or not callable(value):
        return {}
    defaults = {name: p.default for name, p in _parameters(value).items() if name in wanted}
    return {name: (d, wanted[name]) for name, d in defaults.items() if type(d) is int and d != wanted[name]}


def construct(
    name: str, value: Callable[..., object], known: dict[str, Any], given: dict[str, Any] | None = None
) -> object:
    """Call a class or factory with the required arguments that we know, and of the optional ones those `given`."""
    required = required_of(value) or []
    if unknown := [p for p in required if p not in known]:
        raise NotAnAnswer(
            f"{name} needs the argument{'s' if len(unknown) > 1 else ''} {', '.join(unknown)} to be built. "
            f"Give {'them defaults' if len(unknown) > 1 else 'it a default'}, so that {name}() works."
        )
    arguments = {p: known[p] for p in required}
    if known:  # pretrained weights cannot be downloaded here, and the grade is for the architecture
        arguments |= {flag: PRETRAINED[flag] for flag in PRETRAINED if flag in _parameters(value)}
    return value(**arguments | (given or {}))


def check_output(name: str, model: nn.Module, shape: tuple[int, ...], classes: int) -> str:
    """Run two black images; says what is unusual about the output. Raises `NotAnAnswer` for a wrong shape.

    What the network itself raises gets a note on where on the way it does not fit.
    """
    try:
        output = output_of(model, shape)
    except Exception as e:
        if told := diagnosis.why(model, shape, classes):
            e.add_note(told)
        raise
    found = scores.find(output, classes)
    if found is None:
        told = f"{name} returned {described_as(output)}; wanted a tensor of shape (N, {classes})."
        do = ["Write return, not yield."] if isinstance(output, GeneratorType) else []
        do += ["End the function with return and the result."] if output is None else []
        raise NotAnAnswer(" ".join([told, *do]))
    if tuple(found.tensor.shape) != (2, classes):
        told = diagnosis.why(model, shape, classes)
        raise NotAnAnswer(
            f"{name} maps 2 images of shape {shape} to {tuple(found.tensor.shape)}; wanted (2, {classes}), "
            f"one score for each of the {classes} classes.{f' {told}' if told else ''}"
        )
    return found.note


def output_of(model: nn.Module, shape: tuple[int, ...]) -> object:
    """What a network in evaluation mode returns for two black images."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            output: object = model(torch.zeros(2, *shape))
    finally:
        model.train(was_training)
    return output


# ----------------------------------------------------------------------------------------------------- signatures


def _parameters(value: Callable[..., object]) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(value).parameters)
    except (ValueError, TypeError):
        return {}


@functools.lru_cache(maxsize=256)
def _signature(function: FunctionType) -> inspect.Signature:
    """A function's, which the judge asks of the reference's for every check of every submission."""
    return inspect.signature(function)


def required_of(value: Callable[..., object]) -> list[str] | None:
    """Names of the parameters that a call must give; None when the signature cannot be read (built-in functions)."""
    try:
        parameters = (_signature if isinstance(value, FunctionType) else inspect.signature)(value).parameters.values()
    except (ValueError, TypeError):
        return None
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is inspect.Parameter.empty and p.kind not in kinds]


def none_by_default(value: Callable[..., object]) -> list[str]:
    """Names of the parameters of which a call may give none: `def linear(x, weight, bias=None)`, or drawn weights."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [name for name, p in _parameters(value).items() if _is_for_weights(p.default) and p.kind in kinds]


def _is_for_weights(default: object) -> bool:
    return default is None or isinstance(default, torch.Tensor)


def is_factory(value: Callable[..., object]) -> bool:
    """Whether something without required parameters takes no input: `def f()`, or partial(nn.Conv2d, 16, 33, 3).

    One with defaults may take an input (`def f(*args)`, `def f(x=None)`) or not (`def f(kernel=3)`): see _run_function.
    """
    return not _parameters(value) or (isinstance(value, functools.partial) and isinstance(value.func, type))


def described_as(value: object) -> str:
    """What a value is, for the middle of a sentence."""
    return str(value) if value is None or value is ... else f"an object of type {type(value).__name__}"
