"""Keeps torch's compiler out of a process that compiles nothing and trains nothing.

torch marks some of its functions as not to be compiled when they are first called, and loads its compiler to do so:
more than a second of processor time and 150 MiB, in each process that measures a network. The mark is an attribute of
the function, so it can be set without. Where a version of torch does not look for it, nothing is lost but the time.
"""

from __future__ import annotations

import gc
from types import CodeType, FunctionType

import torch

MARK = "__dynamo_disable"


def leave() -> int:
    """Mark what torch would mark, as far as it is imported and not frozen by gc; how many functions."""
    from grader.graph import flops  # noqa: F401  # it has something to mark

    decorate = getattr(torch, "_disable_dynamo", None)
    if decorate is None:
        return 0
    code = decorate(leave).__code__
    if "fn" not in code.co_freevars:
        return 0
    wrapped = [_inner(f, code) for f in gc.get_objects() if type(f) is FunctionType and f.__code__ is code]
    for function in wrapped:
        setattr(function, MARK, function)
    return len(wrapped)


def _inner(wrapper: FunctionType, code: CodeType) -> object:
    """The function that torch wrapped."""
    assert wrapper.__closure__ is not None  # noqa: S101  # it has the free variable that was asked for
    return wrapper.__closure__[code.co_freevars.index("fn")].cell_contents
