"""Which operations a rebuilt network may use, why each is harmless, and what arguments it takes.

An operation that is not in ALLOWED is refused: not every aten operation is harmless (aten.from_file opens any path).
The argument types come from torch's own schemas, the limits from here.
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

ARITHMETIC = "reads and writes only its tensor arguments, entry by entry or along a dimension"
IN_PLACE = "writes only its first argument, which may not be a weight; the input is copied first"
LAYER = "a layer: reads its tensor arguments and writes a new tensor whose size is measured before anything runs"
SHAPE = "rearranges its tensor argument within its bounds, which torch checks"
RANDOM = "draws from torch's generator, as dropout must"
NEW = "makes a tensor whose size is measured first; it is filled, so that no old memory shows through"
NUMBER = "works on numbers that stay below LARGEST_NUMBER"

GROUPS: Mapping[str, str] = MappingProxyType(
    {
        LAYER: """
        conv1d.default conv2d.default conv2d.padding conv_transpose2d.input linear.default addmm.default matmul.default
        mm.default bmm.default baddbmm.default einsum.default max_pool2d.default max_pool2d_with_indices.default
        avg_pool2d.default adaptive_avg_pool2d.default adaptive_max_pool2d.default batch_norm.default
        instance_norm.default group_norm.default layer_norm.default rms_norm.default
        upsample_nearest2d.vec upsample_bilinear2d.vec upsample_bicubic2d.vec prelu.default
        """,
        ARITHMETIC: """
        relu.default relu6.default silu.default gelu.default mish.default hardswish.default hardsigmoid.default
        hardtanh.default leaky_relu.default elu.default celu.default selu.default softplus.default log_sigmoid.default
        sigmoid.default tanh.default softmax.int log_softmax.int exp.default log.default sqrt.default rsqrt.default
        square.default abs.default neg.default floor.default ceil.default round.default sign.default erf.default
        sin.default cos.default reciprocal.default
        add.Tensor add.Scalar sub.Tensor sub.Scalar rsub.Scalar mul.Tensor mul.Scalar div.Tensor div.Scalar
        pow.Tensor_Scalar pow.Tensor_Tensor maximum.default minimum.default clamp.default clamp_min.default
        where.self masked_fill.Scalar gt.Scalar gt.Tensor ge.Scalar ge.Tensor lt.Scalar lt.Tensor le.Scalar le.Tensor
        eq.Scalar ne.Scalar logical_not.default logical_and.default logical_or.default
        mean.default mean.dim sum.default sum.dim_IntList amax.default amin.default var.correction var.dim
        var_mean.correction std.correction std.dim max.dim linalg_vector_norm.default cumsum.default cat.default
        stack.default to.dtype _to_copy.default lift_fresh_copy.default clone.default
        """,
        SHAPE: """
        view.default _unsafe_view.default reshape.default flatten.using_ints unflatten.int squeeze.default squeeze.dim
        squeeze.dims unsqueeze.default permute.default transpose.int t.default expand.default expand_as.default
        view_as.default reshape_as.default repeat.default contiguous.default detach.default alias.default slice.Tensor
        select.int narrow.default split.Tensor split_with_sizes.default chunk.default unbind.int pad.default
        constant_pad_nd.default pixel_shuffle.default pixel_unshuffle.default channel_shuffle.default roll.default
        flip.default
        """,
        IN_PLACE: """
        relu_.default relu6_.default silu_.default hardswish_.default hardsigmoid_.default hardtanh_.default
        leaky_relu_.default elu_.default celu_.default selu_.default mish_.default sigmoid_.default tanh_.default
        add_.Tensor add_.Scalar sub_.Tensor sub_.Scalar mul_.Tensor mul_.Scalar div_.Tensor div_.Scalar pow_.Scalar
        clamp_.default clamp_min_.default floor_.default exp_.default neg_.default copy_.default zero_.default
        fill_.Scalar masked_fill_.Scalar detach_.default
        """,
        RANDOM: """
        dropout.default dropout_.default feature_dropout.default feature_dropout_.default alpha_dropout.default
        bernoulli.default bernoulli.p bernoulli_.float rand.default rand_like.default randn.default randn_like.default
        normal_.default uniform_.default
        """,
        NEW: """
        empty.memory_format empty_like.default new_empty.default zeros.default zeros_like.default new_zeros.default
        ones.default ones_like.default new_ones.default full.default full_like.default scalar_tensor.default
        """,
        NUMBER: """
        sym_size.int python.getitem python.add python.sub python.mul python.floordiv python.mod python.neg
        """,
    }
)
ALLOWED: Mapping[str, str] = MappingProxyType(
    {
        name if name.startswith("python.") else f"aten.{name}": reason
        for reason, names in GROUPS.items()
        for name in names.split()
    }
)

# A view fails on other memory formats where a reshape copies; an empty tensor would show old memory.
REPLACED: Mapping[str, str] = MappingProxyType(
    {
        "aten.view.default": "aten.reshape.default",
        "aten._unsafe_view.default": "aten.reshape.default",
        "aten.view_as.default": "aten.reshape_as.default",
        "aten.empty.memory_format": "aten.zeros.default",
        "aten.new_empty.default": "aten.new_zeros.default",
        "aten.empty_like.default": "aten.zeros_like.default",
    }
)
# These hand back their argument itself in some cases, although their schemas do not say so.
MAY_RETURN_ARGUMENT = frozenset({"dropout", "feature_dropout", "alpha_dropout", "type_as", "expand_as", "pad"})
LARGEST_NUMBER = 1 << 40
DTYPES: Mapping[str, torch.dtype] = MappingProxyType(
    {n: getattr(torch, n) for n in ("float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool")}
)
MEMORY_FORMATS: Mapping[str, torch.memory_format] = MappingProxyType(
    {n: getattr(torch, n) for n in ("contiguous_format", "preserve_format", "channels_last")}
)
WORDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "padding": frozenset({"same", "valid"}),
        "approximate": frozenset({"none", "tanh"}),
        "mode": frozenset({"constant", "reflect", "replicate", "circular"}),
    }
)


@dataclass(frozen=True)
class Range:
    """The least and the greatest value of an argument."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether the value is inside."""
        return self.low <= value <= self.high


# By argument name, whatever the operation: generous for any network of this world, small for a machine.
RANGES: Mapping[str, Range] = MappingProxyType(
    {
        **dict.fromkeys(("kernel_size", "stride", "dilation", "split_size", "upscale_factor"), Range(1, 4096)),
        **dict.fromkeys(("downscale_factor", "groups", "num_groups"), Range(1, 65536)),
        **dict.fromkeys(("chunks", "repeats"), Range(1, 1024)),
        **dict.fromkeys(("padding", "output_padding"), Range(0, 4096)),
        **dict.fromkeys(("normalized_shape", "output_size"), Range(1, 1 << 24)),
        **dict.fromkeys(("size", "shape", "split_sizes"), Range(-1, 1 << 28)),
        **dict.fromkeys(("dim", "dim0", "dim1", "start_dim", "end_dim", "dims"), Range(-8, 7)),
        **dict.fromkeys(("p", "momentum"), Range(0, 1)),
        "pad": Range(-4096, 4096),
        "eps": Range(0, 1),
        "scale_factors": Range(1e-3, 64),
    }
)
# The end of a slice is "all of it" when it is this.
OTHERWISE: Mapping[str, Range] = MappingProxyType(
    {"int": Range(-(2**63), 2**63 - 1), "float": Range(-1e38, 1e38), "number": Range(-1e38, 1e38)}
)
LONGEST_LIST: Mapping[str, int] = MappingProxyType({"Tensor": 1024, "int": 64, "float": 8})


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
