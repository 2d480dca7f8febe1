"""What a student bound to a name -> something that can be run. Runs beside student code: only stdlib and torch.

A layer may be an nn.Module object, a class, a factory without arguments, a function of the input, or (conv, linear) a
function of input, weight and bias. A model may be a class, an object or a factory; arguments that every network of its
kind has (`num_classes`, `in_channels`, ...) are filled from their names.

Where weights are given or asked for, a module's own parameters are used; for a function they are put in place, or read,
at its first call of conv2d or linear.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from grader import diagnosis

Weights = dict[str, Tensor]


class NotAnAnswer(Exception):
    """What was found cannot be run as what the question asks; the text tells the student why."""


@dataclass(frozen=True)
class Run:
    """One run of a layer: its output and the weights that it used, as far as they are known."""

    output: Tensor
    weights: Weights


# ---------------------------------------------------------------------------------------------------------- layers


def run_layer(name: str, value: object, inputs: list[Tensor], weights: Weights | None) -> Run:
    """Run what is bound to `name` on `inputs`, under `weights` when they are given. Raises `NotAnAnswer`."""
    layer = _layer(name, value)
    with torch.no_grad():
        return (
            _run_module(name, layer, inputs, weights)
            if isinstance(layer, nn.Module)
            else (_run_function(name, layer, inputs, weights))
        )


def _layer(name: str, value: object) -> nn.Module | Callable[..., object]:
    """The module or function behind a name."""
    if isinstance(value, nn.Module):
        return value
    if isinstance(value, Tensor):
        raise NotAnAnswer(
            f"{name} is a tensor, a result. Bind the layer itself: {name} = nn.SomeLayer(...), or a function."
        )
    if isinstance(value, type):
        return _layer(name, _construct(name, value, {}))
    if not callable(value):
        raise NotAnAnswer(f"{name} is {_a(value)}; wanted a layer (nn.Module), a class, or a function.")
    if _required(value) == []:
        made = value() if _is_factory(value) else value
        if isinstance(made, nn.Module):
            return made
        if made is not value:
            raise NotAnAnswer(f"{name}() takes no input and returned {_a(made)}; wanted a function of the input.")
    return value


def _run_module(name: str, module: nn.Module, inputs: list[Tensor], weights: Weights | None) -> Run:
    if weights:
        _load(name, module, weights)
    output = _tensor(name, module(*inputs))
    return Run(output, {k.rpartition(".")[2]: v.detach() for k, v in module.state_dict().items()})


def _load(name: str, module: nn.Module, weights: Weights) -> None:
    """Put the given weights in the module's parameters of the same name, wherever in it they are."""
    state = {k.rpartition(".")[2]: v for k, v in module.state_dict().items()}
    if len(state) != len(module.state_dict()):
        raise NotAnAnswer(f"{name} holds several layers with weights; the question asks for one.")
    if missing := sorted(set(weights) - set(state)):
        lacks = f"{name} has no {' and no '.join(missing)}; it has {_listed(state)}."
        raise NotAnAnswer(f"{lacks} Leave out bias=False." if missing == ["bias"] else lacks)
    if extra := sorted(set(state) - set(weights)):
        raise NotAnAnswer(f"{name} has {' and '.join(extra)}, which the layer asked for does not have.")
    for key, given in weights.items():
        if state[key].shape != given.shape:
            raise NotAnAnswer(
                f"{name}'s {key} has shape {tuple(state[key].shape)}; the layer asked for has {tuple(given.shape)}. "
                f"{_differing(state[key].shape, given.shape)}"
            )
        state[key].copy_(given)


def _run_function(name: str, function: Callable[..., object], inputs: list[Tensor], weights: Weights | None) -> Run:
    required = _required(function)
    if weights and (function in BUILT_IN or (required is not None and len(required) > len(inputs))):
        parameters = (required or [])[len(inputs) :] or ["weight", "bias"]
        return Run(_tensor(name, function(*inputs, *_arguments(parameters, weights))), weights)
    with Recorder(weights or {}) as recorder:
        returned = function(*inputs)
    if isinstance(returned, nn.Module) and required == [] and isinstance(made := function(), nn.Module):
        return _run_module(name, made, inputs, weights)
    output = _tensor(name, returned)
    if weights and not recorder.calls:
        raise NotAnAnswer(
            f"{name} is a function that does not call conv2d or linear, so it cannot be given weights. "
            f"Write it as a layer (nn.Module) or as a function of input, weight and bias."
        )
    return Run(output, recorder.weights)


def _arguments(parameters: list[str], weights: Weights) -> list[Tensor]:
    """The given weights in the order of a function's parameters: by their names, else weight before bias."""
    by_name = {p: next((k for k in weights if p[:1].lower() == k[:1]), None) for p in parameters}
    if all(by_name.values()) and len(set(by_name.values())) == len(parameters):
        return [weights[str(by_name[p])] for p in parameters]
    return list(weights.values())[: len(parameters)]


BUILT_IN = (F.conv2d, F.linear)  # functions of input, weight and bias whose signature Python cannot read


class Recorder(TorchFunctionMode):
    """Sees each conv2d and linear: puts given weights in place of its own, or notes the ones that it uses."""

    def __init__(self, given: Weights) -> None:
        super().__init__()
        self.given = given
        self.weights: Weights = {}
        self.calls = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in BUILT_IN:
            self.calls += 1
            args, kwargs = self._see(list(args), kwargs)
        return func(*args, **kwargs)

    def _see(self, args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        if self.calls > 1:
            return args, kwargs
        for position, key in ((1, "weight"), (2, "bias")):
            own = args[position] if len(args) > position else kwargs.get(key)
            if key in self.given:
                _must_fit(key, own, self.given[key])
                own = self.given[key]
                if len(args) > position:
                    args[position] = own
                else:
                    kwargs[key] = own
            if own is not None:
                self.weights[key] = own.detach()
        return args, kwargs


def _must_fit(key: str, own: Tensor | None, given: Tensor) -> None:
    if own is None:
        raise NotAnAnswer(f"the layer has no {key}; the layer asked for has one of shape {tuple(given.shape)}.")
    if own.shape != given.shape:
        raise NotAnAnswer(
            f"the layer's {key} has shape {tuple(own.shape)}; asked for is {tuple(given.shape)}. "
            f"{_differing(own.shape, given.shape)}"
        )


SIZES = {4: "output channels; input channels; rows of the window; columns of the window", 2: "outputs; inputs"}


def _differing(own: torch.Size, given: torch.Size) -> str:
    """Which of a weight's sizes are not those asked for: a sentence; "" where its dimensions are others."""
    names = SIZES.get(len(given), "size").split("; ")
    wrong = [n for n, a, b in zip(names, own, given, strict=False) if a != b] if len(own) == len(given) else []
    return f"What differs: {'; '.join(wrong)}." if wrong else "It is another kind of layer."


def _tensor(name: str, value: object) -> Tensor:
    """The output as a tensor; a tuple's or list's first element counts."""
    if isinstance(value, tuple | list) and value and isinstance(value[0], Tensor):
        value = value[0]
    if type(value).__module__ == "numpy" and hasattr(value, "dtype"):
        value = torch.as_tensor(value)
    if not isinstance(value, Tensor):
        raise NotAnAnswer(f"{name} returned {_a(value)}; wanted a tensor.")
    return value.detach()


# ---------------------------------------------------------------------------------------------------------- models


def build_model(name: str, value: object, classes: int, channels: int) -> nn.Module:
    """The network behind a name, built under the caller's seed. Raises `NotAnAnswer`."""
    if isinstance(value, nn.Module):
        return value
    if not callable(value):
        raise NotAnAnswer(f"{name} is {_a(value)}; wanted a class that derives from nn.Module.")
    if isinstance(value, type) and not issubclass(value, nn.Module):
        raise NotAnAnswer(f"the class {name} does not derive from nn.Module.")
    model = _construct(name, value, _known_arguments(classes, channels))
    if not isinstance(model, nn.Module):
        raise NotAnAnswer(f"{name}() returned {_a(model)}; wanted an nn.Module.")
    return model


CLASSES = (
    "num_classes n_classes nclasses class_num num_class classes n_class output_dim out_dim num_outputs n_outputs "
    "output_size out_features"
).split()
CHANNELS = (
    "in_channels in_channel input_channels input_channel in_ch in_chans channels n_channels num_channels img_channels "
    "image_channels"
).split()
SCALES = "width_coefficient depth_coefficient width_mult depth_mult width depth".split()
VERSIONS = "version model_name variant".split()
DROPOUTS = "dropout dropout_rate drop_rate".split()
PRETRAINED = {"pretrained": False, "weights": None}


def _known_arguments(classes: int, channels: int) -> dict[str, Any]:
    """Constructor arguments whose names say what they must be."""
    known = ((classes, CLASSES), (channels, CHANNELS), (1.0, SCALES), ("b0", VERSIONS), (0.2, DROPOUTS))
    return {name: value for value, names in known for name in names} | PRETRAINED


def _construct(name: str, value: Callable[..., object], known: dict[str, Any]) -> object:
    """Call a class or factory, with the required arguments that we know; optional ones keep their defaults."""
    required = _required(value) or []
    if unknown := [p for p in required if p not in known]:
        raise NotAnAnswer(
            f"{name} needs the argument{'s' if len(unknown) > 1 else ''} {', '.join(unknown)} to be built. "
            f"Give {'them defaults' if len(unknown) > 1 else 'it a default'}, so that {name}() works."
        )
    arguments = {p: known[p] for p in required}
    if known:  # pretrained weights cannot be downloaded here, and the grade is for the architecture
        arguments |= {flag: PRETRAINED[flag] for flag in PRETRAINED if flag in _parameters(value)}
    return value(**arguments)


def check_output(name: str, model: nn.Module, shape: tuple[int, ...], classes: int) -> str:
    """Run two black images; says what is unusual about the output. Raises `NotAnAnswer` for a wrong shape.

    What the network itself raises gets a note on where on the way it does not fit.
    """
    try:
        output = _output(model, shape)
    except Exception as e:
        if told := diagnosis.why(model, shape, classes):
            e.add_note(told)
        raise
    note = ""
    if isinstance(output, tuple | list) and output:
        output = output[0]
        note = "the network returns a tuple; its first element is taken"
    if not isinstance(output, Tensor):
        raise NotAnAnswer(f"{name} returned {_a(output)}; wanted a tensor of shape (N, {classes}).")
    if tuple(output.shape) != (2, classes):
        told = diagnosis.why(model, shape, classes)
        raise NotAnAnswer(
            f"{name} maps 2 images of shape {shape} to {tuple(output.shape)}; wanted (2, {classes}), "
            f"one score for each of the {classes} classes.{f' {told}' if told else ''}"
        )
    return note


def _output(model: nn.Module, shape: tuple[int, ...]) -> object:
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


def _required(value: Callable[..., object]) -> list[str] | None:
    """Names of the parameters that a call must give; None when the signature cannot be read (built-in functions)."""
    try:
        parameters = inspect.signature(value).parameters.values()
    except (ValueError, TypeError):
        return None
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is inspect.Parameter.empty and p.kind not in kinds]


def _is_factory(value: Callable[..., object]) -> bool:
    """Whether something without required parameters takes no input: `def f()`, or partial(nn.Conv2d, 16, 33, 3).

    One with defaults may take an input (`def f(*args)`, `def f(x=None)`) or not (`def f(kernel=3)`): see _run_function.
    """
    return not _parameters(value) or (isinstance(value, functools.partial) and isinstance(value.func, type))


def _a(value: object) -> str:
    return str(value) if value is None or value is ... else f"an object of type {type(value).__name__}"


def _listed(state: Weights) -> str:
    return ", ".join(f"{k} {tuple(v.shape)}" for k, v in state.items()) or "no weights"
