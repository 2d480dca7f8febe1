"""What a forward decides by values: noted while it runs, and given to it again while it is traced.

Students check values on the way: `assert not torch.isnan(x).any()`, `if x.max().item() > 1e4: raise`. A trace has no
values, so torch.export refuses. Here the forward is told in the trace what it found when it was run. Whether the graph
is then the network, whatever the values, is for the capture to find out.

Runs beside student code: standard library and torch only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor
from torch._subclasses import FakeTensor

ASKING = ("__bool__", "__float__", "__int__", "item")  # how Python gets a value out of a tensor
MOST = 10_000

Value = tuple[str, Any]


class OtherDecisions(RuntimeError):
    """The forward asks for other values in the trace than when it was run."""


@contextlib.contextmanager
def noted() -> Iterator[list[Value]]:
    """Within, every value that Python is given of a tensor is added to the list."""
    values: list[Value] = []

    def noting(name: str, ask: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
        def asked(self: Tensor) -> Any:
            value = ask(self)
            if len(values) < MOST:
                values.append((name, value))
            return value

        return asked

    with _replaced(noting):
        yield values


@contextlib.contextmanager
def told(values: list[Value]) -> Iterator[None]:
    """Within, tensors that are traced give these values, in this order. Raises OtherDecisions in the forward."""
    waiting = iter(values)

    def telling(name: str, ask: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
        def asked(self: Tensor) -> Any:
            if not isinstance(self, FakeTensor):
                return ask(self)
            kind, value = next(waiting, ("", None))
            if kind != name:
                raise OtherDecisions(name)
            return value

        return asked

    with _replaced(telling):
        yield


@contextlib.contextmanager
def _replaced(by: Callable[[str, Callable[[Tensor], Any]], Callable[[Tensor], Any]]) -> Iterator[None]:
    """Within, each way to ask is another; those that Tensor only inherits are taken off again."""
    before = {name: vars(Tensor).get(name) for name in ASKING}
    for name in ASKING:
        setattr(Tensor, name, by(name, getattr(Tensor, name)))
    try:
        yield
    finally:
        for name, own in before.items():
            if own is None:
                delattr(Tensor, name)
            else:
                setattr(Tensor, name, own)
