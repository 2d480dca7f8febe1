"""What student code may disturb is put back: output, random number generators, a model and what it keeps on itself.

Runs beside student code: standard library and torch only.
"""

from __future__ import annotations

import contextlib
import io
import logging
import random
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

TORCHS_OWN = frozenset(vars(nn.Module()))  # the attributes that torch keeps itself


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No output and no warning of torch's or the forward's: no use to a student, and not for a judge to see."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    sink = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _numpy_random() -> Any:
    """numpy.random if the student's code has imported numpy, else None."""
    numpy = sys.modules.get("numpy")
    return getattr(numpy, "random", None)


def foreign_random_state() -> tuple[object, ...]:
    """The state of the generators that a trace cannot see: Python's and numpy's."""
    numpy_random = _numpy_random()
    if numpy_random is None:
        return (random.getstate(),)
    name, keys, *rest = numpy_random.get_state()
    return (random.getstate(), name, keys.tobytes(), *rest)


@contextlib.contextmanager
def random_state_kept() -> Iterator[None]:
    """All generators afterwards as before."""
    state, python = torch.get_rng_state(), random.getstate()
    numpy_random = _numpy_random()
    numpy_state = numpy_random.get_state() if numpy_random else None
    try:
        yield
    finally:
        torch.set_rng_state(state)
        random.setstate(python)
        if numpy_random:
            numpy_random.set_state(numpy_state)


@contextlib.contextmanager
def model_kept(model: nn.Module) -> Iterator[None]:
    """Mode, tensors and attributes of every module afterwards as before."""
    values = [(t, t.detach().clone()) for t in [*model.parameters(), *model.buffers()]]
    try:
        with attributes_kept(model):
            yield
    finally:
        with torch.no_grad():
            for tensor, value in values:
                if not same(tensor, value):
                    tensor.copy_(value)


@contextlib.contextmanager
def attributes_kept(model: nn.Module, besides: frozenset[str] = frozenset()) -> Iterator[None]:
    """Attributes of every module afterwards as before, but for those named in `besides`."""
    modules = list(model.modules())
    attributes = [{k: v for k, v in vars(m).items() if k not in besides} for m in modules]
    contents = [{k: v.copy() for k, v in a.items() if isinstance(v, dict | list | set)} for a in attributes]
    try:
        yield
    finally:
        for module, saved, contained in zip(modules, attributes, contents, strict=True):
            for key in vars(module).keys() - saved.keys() - besides:
                del vars(module)[key]
            vars(module).update(saved)
            for key, content in contained.items():
                _refill(saved[key], content)


def _refill(container: Any, content: Any) -> None:
    """Give a list, dict or set its former content."""
    container.clear()
    if isinstance(container, list):
        container.extend(content)
    else:
        container.update(content)


def same(a: Tensor, b: Tensor) -> bool:
    """Equal bits as far as == can tell, NaN equal to NaN."""
    return torch.equal(a, b) or bool(torch.all((a == b) | ((a != a) & (b != b))))


def python_state(model: nn.Module) -> dict[str, object]:
    """Attributes that torch does not keep itself: plain values, containers by size, the rest by identity."""
    state: dict[str, object] = {}
    for path, module in model.named_modules():
        for key, value in vars(module).items():
            if key not in TORCHS_OWN:
                name = f"{path}.{key}" if path else key
                state[name] = _glance(value)
    return state


def _glance(value: object) -> object:
    if value is None or isinstance(value, int | float | str):
        return value
    return (id(value), len(value) if isinstance(value, dict | list | set) else 0)


def changes(before: dict[str, object], after: dict[str, object]) -> tuple[str, ...]:
    """The attributes that were added, removed or changed."""
    return tuple(k for k in {**after, **before} if before.get(k, before) != after.get(k, after))


@contextlib.contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Whatever is run within leaves the model and the random number generators as they were, and prints nothing."""
    with quiet(), random_state_kept(), model_kept(model):
        yield
