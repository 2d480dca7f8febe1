"""The allowed operations as this torch has them: what arguments they take, and what they write and hand back.

The argument types come from torch's own schemas, the limits from allowed.py.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

import torch

from grader.graph.allowed import ALLOWED, LARGEST_NUMBER, MAY_RETURN_ARGUMENT, OTHERWISE, RANGES


@dataclass(frozen=True)
class Parameter:
    """One argument of an operation. `kind` is torch's word without Optional and List: "Tensor", "int", "number", ...

    `length`: how many entries a list has, if that is fixed; one entry stands for all.
    """

    name: str
    kind: str
    optional: bool
    is_list: bool
    required: bool
    default: Any
    keyword_only: bool
    length: int | None = None


@dataclass(frozen=True)
class Operator:
    """An allowed operation of this torch. `writes` and `aliases`: does it write, or hand back, its first argument."""

    name: str
    function: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    writes: bool
    aliases: bool
    random: bool

    @property
    def base(self) -> str:
        """The name as people say it: "conv2d", "relu" (also for relu_), "getitem"."""
        return base_name(self.name)

    @property
    def makes_tensor(self) -> bool:
        """Whether it makes a tensor from numbers alone, so that it must be told where."""
        kinds = {p.kind for p in self.parameters}
        return "Device" in kinds and "Tensor" not in kinds


def base_name(name: str) -> str:
    """ "aten.relu_.default" -> "relu"."""
    word = name.split(".")[1]
    return word.rstrip("_") if word.endswith("_") else word


@cache
def find(name: str) -> Operator | None:
    """The operation of this name, or None when it is not allowed, or unknown to this torch."""
    if name not in ALLOWED:
        return None
    if name.startswith("python."):
        return _python_operator(name)
    _, packet, overload = name.split(".")
    function = getattr(getattr(torch.ops.aten, packet, None), overload, None)
    return None if function is None else _aten_operator(name, function)


def _aten_operator(name: str, function: Any) -> Operator:
    schema = function._schema  # noqa: SLF001  # the only way to a schema
    first = schema.arguments[0] if schema.arguments else None
    writes = bool(first and first.alias_info and first.alias_info.is_write)
    aliases = any(r.alias_info is not None for r in schema.returns) or base_name(name) in MAY_RETURN_ARGUMENT
    random = torch.Tag.nondeterministic_seeded in function.tags
    return Operator(name, function, tuple(_parameter(a) for a in schema.arguments), writes, aliases, random)


def _parameter(argument: Any) -> Parameter:
    kind = str(argument.real_type)
    optional = kind.startswith("Optional[")
    kind = kind.removeprefix("Optional[").removesuffix("]") if optional else kind
    is_list = kind.startswith("List[")
    kind = kind.removeprefix("List[").removesuffix("]") if is_list else kind
    kind = {"SymInt": "int", "Scalar": "number"}.get(kind, kind)
    required = not argument.has_default_value()
    default = None if required else _frozen(argument.default_value)
    return Parameter(
        argument.name,
        kind,
        optional,
        is_list,
        required,
        default,
        bool(argument.kwarg_only),
        argument.N,
    )


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class TooLarge(ValueError):
    """A number or an index of a rebuilt network is out of its bounds."""


def _bounded(function: Callable[..., int]) -> Callable[..., int]:
    """Integer arithmetic that cannot grow without end."""

    def compute(*numbers: int) -> int:
        if not all(type(n) is int for n in numbers):
            raise TooLarge("numbers of a network are whole numbers")
        result = function(*numbers)
        if abs(result) > LARGEST_NUMBER:
            raise TooLarge(f"a number of the network is above {LARGEST_NUMBER}")
        return result

    return compute


def item(values: Any, index: int) -> Any:
    """One of the results of an operation that has several."""
    if not isinstance(values, list | tuple) or not 0 <= index < len(values):
        raise TooLarge("an item is asked for that is not there")
    return values[index]


PYTHON: Mapping[str, tuple[Callable[..., Any], int]] = MappingProxyType(
    {
        "python.getitem": (item, 2),
        "python.add": (_bounded(operator.add), 2),
        "python.sub": (_bounded(operator.sub), 2),
        "python.mul": (_bounded(operator.mul), 2),
        "python.floordiv": (_bounded(operator.floordiv), 2),
        "python.mod": (_bounded(operator.mod), 2),
        "python.neg": (_bounded(operator.neg), 1),
    }
)


def _python_operator(name: str) -> Operator:
    function, arity = PYTHON[name]
    kinds = ["results", "int"] if name == "python.getitem" else ["int"] * arity
    parameters = tuple(Parameter(f"argument{i}", kind, False, False, True, None, False) for i, kind in enumerate(kinds))
    return Operator(name, function, parameters, writes=False, aliases=name == "python.getitem", random=False)


def in_range(name: str, kind: str, value: float) -> bool:
    """Whether a number is finite and within what this argument may be."""
    limits = RANGES.get(name) or OTHERWISE.get(kind)
    return math.isfinite(value) and (limits is None or limits.holds(value))
