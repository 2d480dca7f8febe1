"""Which of a function's parameters are its input, its weight and its bias. Beside student code: stdlib and torch."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable

from torch import Tensor

Weights = dict[str, Tensor]

NAMES = {
    "input": frozenset("x input inputs inp img image images data features tensor".split()),
    "weight": frozenset("w weight weights kernel kernels filter filters".split()),
    "bias": frozenset("b bias biases".split()),
}
"""What students call the parameters of a layer that is given its weights."""

OPTIONAL = NAMES["bias"] | {"w", "weight", "weights"}
"""Parameters for weights that may be None unless they are given."""


def in_order(parameters: list[str], weights: Weights) -> list[Tensor]:
    """The given weights in the order of a function's parameters: by their first letters, else weight before bias."""
    by_name = {p: next((k for k in weights if p[:1].lower() == k[:1]), None) for p in parameters}
    if all(by_name.values()) and len(set(by_name.values())) == len(parameters):
        return [weights[str(by_name[p])] for p in parameters]
    return list(weights.values())[: len(parameters)]


def as_given(state: Weights, weights: Weights) -> Weights:
    """A layer's parameters, called as the given weights are where their own names mean the same: `W`, `kernel`, `b`."""
    lacking = [role for role in weights if role not in state]
    meant = {n: next((r for r in lacking if n.lower() in NAMES.get(r, ())), n) for n in state if n not in weights}
    return {meant.get(n, n): v for n, v in state.items()} if len(set(meant.values())) == len(meant) else state


def as_they_lie(weights: Weights, state: Weights) -> Weights:
    """The given weights, a matrix turned where a layer keeps it so (`x @ self.W`) and all else of it fits."""
    unlike = [k for k, v in weights.items() if k not in state or state[k].shape != v.shape]
    lies_turned = [k for k in unlike if k in state and weights[k].dim() == 2 and state[k].shape == weights[k].T.shape]
    return weights | {k: weights[k].T for k in lies_turned} if unlike == lies_turned else weights


def by_names(function: Callable[..., object], given: dict[str, Tensor]) -> Callable[[], object] | None:
    """A call of a function whose parameters say that the input is not the first of them; None for any other.

    One parameter's name may say nothing: it takes what the others leave. `given`: the input, and the weights.
    """
    kinds = _required(function)
    meant = _meant(list(kinds), set(given))
    if not meant or (meant[next(iter(kinds))] == "input" and inspect.Parameter.KEYWORD_ONLY not in kinds.values()):
        return None
    by_position = [p for p, kind in kinds.items() if kind is not inspect.Parameter.KEYWORD_ONLY]
    named = {p: given[role] for p, role in meant.items() if p not in by_position}
    return functools.partial(function, *(given[meant[p]] for p in by_position), **named)


def _meant(parameters: list[str], roles: set[str]) -> dict[str, str]:
    """What each parameter is for; {} where their names do not say."""
    meant = {p: role for p in parameters for role in roles if p.lower() in NAMES[role]}
    rest, left = [p for p in parameters if p not in meant], roles - set(meant.values())
    if len(rest) == len(left) == 1:
        meant[rest[0]] = left.pop()
    return meant if len(meant) == len(parameters) and sorted(meant.values()) == sorted(roles) else {}


def _required(function: Callable[..., object]) -> dict[str, inspect._ParameterKind]:
    """The parameters that a call must give; none where the signature cannot be read."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return {}
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {p.name: p.kind for p in parameters if p.default is inspect.Parameter.empty and p.kind not in several}
