"""Which operations a rebuilt network may use, why each is harmless, and the limits of their arguments.

An operation that is not in ALLOWED is refused: not every aten operation is harmless (aten.from_file opens any path).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

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
        upsample_nearest2d.vec upsample_bilinear2d.vec upsample_bicubic2d.vec _upsample_bilinear2d_aa.vec
        _upsample_bicubic2d_aa.vec prelu.default
        mv.default dot.default inner.default outer.default tensordot.default glu.default im2col.default
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
        multiply.Tensor multiply.Scalar subtract.Tensor subtract.Scalar divide.Tensor divide.Scalar true_divide.Tensor
        true_divide.Scalar absolute.default negative.default clip.default concat.default concatenate.default
        hstack.default vstack.default threshold.default where.ScalarSelf where.ScalarOther where.Scalar max.other
        min.other logsumexp.default prod.dim_int log1p.default expm1.default tan.default atan.default
        """,
        SHAPE: """
        view.default _unsafe_view.default reshape.default flatten.using_ints unflatten.int squeeze.default squeeze.dim
        squeeze.dims unsqueeze.default permute.default transpose.int t.default expand.default expand_as.default
        view_as.default reshape_as.default repeat.default contiguous.default detach.default alias.default slice.Tensor
        select.int narrow.default split.Tensor split_with_sizes.default chunk.default unbind.int pad.default
        constant_pad_nd.default pixel_shuffle.default pixel_unshuffle.default channel_shuffle.default roll.default
        flip.default numpy_T.default mT.default swapaxes.default swapdims.default movedim.int movedim.intlist
        ravel.default tile.default unfold.default
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
MAY_RETURN_ARGUMENT = frozenset(
    {"dropout", "feature_dropout", "alpha_dropout", "type_as", "expand_as", "pad", "einsum"}
)
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
