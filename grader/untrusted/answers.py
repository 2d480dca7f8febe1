"""What a student bound to a name -> something that can be run. Runs beside student code: only stdlib and torch.

A layer may be an nn.Module object, a class, a factory without arguments, a function of the input, or (conv, linear) a
function of input, weight and bias. Networks are in building.py.

Where weights are given or asked for, a module's own parameters are used; for a function they are put in place, or read,
at its first call of conv2d or linear.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass
from types import GeneratorType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from grader.untrusted.arguments import OPTIONAL, Weights, as_given, as_they_lie, by_names, in_order
from grader.untrusted.building import NotAnAnswer, construct, described_as, is_factory, none_by_default, required_of


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
        _must_be_own(name, value)
        return _layer(name, construct(name, value, {}))
    if not callable(value):
        raise NotAnAnswer(
            f"{name} is {described_as(value)}; wanted a layer (nn.Module), a class, or a function. "
            f"Bind the layer itself: {name} = nn.SomeLayer(...)."
        )
    if required_of(value) == []:
        made = value() if is_factory(value) else value
        if isinstance(made, nn.Module):
            return made
        if made is not value:
            raise NotAnAnswer(
                f"{name}() takes no input and returned {described_as(made)}; wanted a function of the input. "
                f"Give it the parameter x, and return what becomes of x."
            )
    return value


def _must_be_own(name: str, kind: type) -> None:
    """Refuse a class of torch's that is to be made a layer first: nobody can give its arguments defaults."""
    if kind.__module__.startswith("torch.nn.") and required_of(kind):
        made = f"nn.{kind.__name__}"
        raise NotAnAnswer(
            f"{name} is the class {made}, not yet a layer; make one of it, with the question's numbers: "
            f"{name} = {made}(...)."
        )


def _run_module(name: str, module: nn.Module, inputs: list[Tensor], weights: Weights | None) -> Run:
    if any(is_lazy(p) for p in module.parameters()):
        module(*inputs)  # nn.LazyLinear has no weights before it has seen an input
    if weights:
        _load(name, module, weights)
    output = _tensor(name, module(*inputs))
    return Run(output, {k.rpartition(".")[2]: v.detach() for k, v in module.state_dict().items()})


def _load(name: str, module: nn.Module, weights: Weights) -> None:
    """Put the given weights in the module's parameters of the same name, wherever in it they are."""
    state = {k.rpartition(".")[2]: v for k, v in module.state_dict().items()}
    if len(state) != len(module.state_dict()):
        raise NotAnAnswer(f"{name} holds several layers with weights; the question asks for one.")
    state = as_given(state, weights)
    weights = as_they_lie(weights, state)
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
    required = required_of(function)
    if weights and _is_built_in(function):
        return Run(_tensor(name, function(*inputs, **weights)), weights)
    if weights and (call := by_names(function, {"input": inputs[0], **weights})):
        return Run(_tensor(name, call()), weights)
    wanted = (required or [])[len(inputs) :] if weights else []
    optional = [p for p in none_by_default(function) if p.lower() in OPTIONAL] if weights else []
    if weights and len(wanted) + len(optional) == len(weights):
        given = in_order([*wanted, *optional], weights)
        named = dict(zip(optional, given[len(wanted) :], strict=True))
        return Run(_tensor(name, function(*inputs, *given[: len(wanted)], **named)), weights)
    if weights and wanted:
        return Run(_tensor(name, function(*inputs, *in_order(wanted, weights))), weights)
    with Recorder(weights or {}) as recorder:
        returned = _returned(function, inputs)
    if isinstance(returned, nn.Module) and required == [] and isinstance(made := function(), nn.Module):
        return _run_module(name, made, inputs, weights)
    output = _tensor(name, returned)
    if weights and not recorder.calls:
        raise NotAnAnswer(
            f"{name} is a function that does not call conv2d or linear, so it cannot be given weights. "
            f"Write it as a layer (nn.Module) or as a function of input, weight and bias."
        )
    return Run(output, recorder.weights)


def _returned(function: Callable[..., object], inputs: list[Tensor]) -> object:
    """What a function gives for the input, or the layer that it makes of its defaults. Raises what the first does."""
    try:
        return function(*inputs)
    except Exception:
        made: object = None
        if required_of(function) == []:
            with contextlib.suppress(Exception):  # student code; what it raised for the input is told
                made = function()
        if not isinstance(made, nn.Module):
            raise
        return made


BUILT_IN = (F.conv2d, F.linear)  # functions of input, weight and bias whose signature Python cannot read


def _is_built_in(function: Callable[..., object]) -> bool:
    """Whether it is one of those, its settings filled in or not."""
    filled = isinstance(function, functools.partial) and not function.args
    return getattr(function, "func", function) in BUILT_IN if filled else function in BUILT_IN


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
        raise NotAnAnswer(f"{name} returned {described_as(value)}; wanted a tensor. {_instead_of(value)}")
    return value.detach()


def _instead_of(value: object) -> str:
    """What to do where something else than a tensor was returned."""
    if value is None:
        return "End the function with return and the result."
    if isinstance(value, dict):
        return "Return the tensor itself, not a dict that holds it."
    if isinstance(value, list | tuple):
        return "Return the tensor itself, without tolist()."
    return "Write return, not yield." if isinstance(value, GeneratorType) else "Return the result as it is."


def _listed(state: Weights) -> str:
    return ", ".join(f"{k} {tuple(v.shape)}" for k, v in state.items()) or "no weights"
