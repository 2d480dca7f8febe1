"""Questions about a network's steps: what is it built of? No torch.

Answers hold for every spelling: module or function, in place or not, SiLU as x * sigmoid(x), a squeeze by adaptive
pooling or by mean, an excitation by 1x1 convolutions or by linear layers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal


@dataclass(frozen=True)
class Step:
    """One operation of a network's evaluation graph. Step 0 is the input (`op` "input"), the last step the answer.

    `op` is torch's name without "aten.", overload and in-place mark. `arguments` are those of its schema, all of them,
    by name: numbers, bools, strings, None or tuples of these; tensors stand apart, in `inputs` (ids of earlier steps)
    and `tensors` (names, with their shapes in `tensor_shapes`). `shape` is the result's, without the images.
    """

    id: int
    op: str
    arguments: Mapping[str, Any]
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    tensors: tuple[str, ...] = ()
    tensor_shapes: tuple[tuple[int, ...], ...] = ()


Steps = tuple[Step, ...]


@dataclass(frozen=True)
class SqueezeExcitation:
    """Ids of the global pooling, the two layers and the rescaling; `channels` -> `reduced` -> `channels`."""

    pooling: int
    reduce: int
    expand: int
    rescale: int
    channels: int
    reduced: int


@dataclass(frozen=True)
class InvertedResidual:
    """An MBConv block by the ids of its convolutions; `expansion` is None where the block does not widen its input.

    `skip`: the block's input is added to its output. `stride` and `kernel_size` are the depthwise convolution's.
    """

    expansion: int | None
    depthwise: int
    projection: int
    squeeze_excitation: SqueezeExcitation | None
    skip: bool
    in_channels: int
    expanded: int
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: int


CONVOLUTIONS = frozenset({"conv1d", "conv2d"})
WINDOWS = frozenset({"max_pool2d", "max_pool2d_with_indices", "avg_pool2d"})
ADAPTIVE = frozenset({"adaptive_avg_pool2d", "adaptive_max_pool2d"})
NORMS = frozenset({"batch_norm", "group_norm", "layer_norm", "instance_norm", "rms_norm"})
ACTIVATIONS = frozenset(
    "relu relu6 silu gelu mish hardswish hardsigmoid hardtanh leaky_relu prelu elu celu selu softplus log_sigmoid "
    "sigmoid tanh softmax log_softmax".split()
)
GATES = frozenset({"sigmoid", "hardsigmoid"})
RESHAPES = frozenset({"reshape", "reshape_as", "flatten", "unflatten", "squeeze", "unsqueeze", "expand", "expand_as"})
NOTHING = frozenset({"dropout", "feature_dropout", "alpha_dropout", "contiguous", "clone", "alias", "detach", "to"})
PADS = frozenset({"pad", "constant_pad_nd"})
SPATIAL = 3  # channels, rows, columns


# --- single steps -------------------------------------------------------------------------------------------------


def convolutions(steps: Steps) -> Steps:
    """Convolutions of every kind, in order."""
    return tuple(s for s in steps if s.op in CONVOLUTIONS and s.tensor_shapes)


def depthwise(steps: Steps) -> Steps:
    """Convolutions in which every channel is filtered alone."""
    return tuple(s for s in convolutions(steps) if s.arguments["groups"] > 1 and s.tensor_shapes[0][1] == 1)


def poolings(steps: Steps) -> Steps:
    """Max and average poolings, adaptive and global ones included."""
    found = {s.id for s in global_poolings(steps)}
    return tuple(s for s in steps if s.op in WINDOWS | ADAPTIVE or s.id in found)


def global_poolings(steps: Steps) -> Steps:
    """Poolings of the whole picture to one number for each channel, however they are written."""
    return tuple(s for s in steps if _is_global_pooling(steps, s))


def linears(steps: Steps) -> Steps:
    """Fully connected layers: linear, or a product with a weight."""
    return tuple(s for s in steps if s.op in ("linear", "addmm", "matmul", "mm") and s.tensor_shapes)


def normalisations(steps: Steps) -> Steps:
    """Batch, group, layer and instance normalisations."""
    return tuple(s for s in steps if s.op in NORMS)


def activations(steps: Steps) -> dict[str, int]:
    """How often each non-linearity is used, by name; x * sigmoid(x) counts as silu, a clamp at 0 as relu."""
    inside = {sigmoid for s in steps if (sigmoid := _silu_gate(steps, s)) is not None}
    names = (_activation(steps, s) for s in steps if s.id not in inside)
    return dict(Counter(name for name in names if name))


def residual_additions(steps: Steps) -> Steps:
    """Additions of two results of one shape: where branches meet."""
    return tuple(s for s in steps if s.op == "add" and _are_branches(steps, s))


def softmax_head(steps: Steps) -> Literal["softmax", "log_softmax"] | None:
    """Whether the answer is softmax or log-softmax of the scores."""
    last = steps[_back(steps, len(steps) - 1, RESHAPES | NOTHING)]
    if last.op in ("softmax", "log_softmax"):
        return "softmax" if last.op == "softmax" else "log_softmax"
    if last.op == "log" and steps[_back(steps, last.inputs[0], RESHAPES | NOTHING)].op == "softmax":
        return "log_softmax"
    return None


def _are_branches(steps: Steps, step: Step) -> bool:
    if len(set(step.inputs)) != 2:  # two branches
        return False
    a, b = (steps[i] for i in step.inputs)
    return a.shape == b.shape == step.shape and len(a.shape) > 0


def _is_global_pooling(steps: Steps, step: Step) -> bool:
    if not step.inputs or len(steps[step.inputs[0]].shape) != SPATIAL:
        return False
    if step.op in ADAPTIVE:
        return set(step.arguments["output_size"]) == {1}
    if step.op == "mean":
        dims = step.arguments.get("dim") or ()
        return {d % 4 for d in dims} == {2, 3}
    return step.op == "avg_pool2d" and step.shape[1:] == (1, 1) and steps[step.inputs[0]].shape[1:] != (1, 1)


# --- chains of steps ----------------------------------------------------------------------------------------------


def _back(steps: Steps, id: int, passed: frozenset[str]) -> int:  # noqa: A002  # the glossary's word
    """From a step back through operations that are only passed."""
    while steps[id].op in passed and steps[id].inputs:
        id = steps[id].inputs[0]  # noqa: A001
    return id


def _silu_gate(steps: Steps, step: Step) -> int | None:
    """The sigmoid of x * sigmoid(x), or None."""
    if step.op != "mul" or len(step.inputs) != 2:  # a product of two results
        return None
    for a, b in (step.inputs, step.inputs[::-1]):
        if steps[b].op == "sigmoid" and steps[b].inputs == (a,):
            return b
    return None


def _activation(steps: Steps, step: Step) -> str | None:
    """The name of the step's non-linearity, or None."""
    if _silu_gate(steps, step) is not None:
        return "silu"
    limits = (step.arguments.get("min_val"), step.arguments.get("max_val"))
    if step.op == "hardtanh" and limits == (0, 6):
        return "relu6"
    if step.op in ("clamp", "clamp_min") and step.arguments.get("min") == 0:
        return {None: "relu", 6: "relu6"}.get(step.arguments.get("max"))
    return step.op if step.op in ACTIVATIONS else None


def _activated(steps: Steps, step: Step) -> int | None:
    """What the step's non-linearity is applied to, or None when it has none."""
    if _activation(steps, step) is None:
        return None
    gate = _silu_gate(steps, step)
    return steps[gate].inputs[0] if gate is not None else step.inputs[0]


def _before(steps: Steps, id: int, passed: frozenset[str]) -> tuple[int, bool]:  # noqa: A002
    """From a step back through `passed` and non-linearities: where that ends, and whether there was one of these."""
    activated = False
    while True:
        id = _back(steps, id, passed)  # noqa: A001
        source = _activated(steps, steps[id])
        if source is None:
            return id, activated
        id, activated = source, True  # noqa: A001


# --- squeeze and excitation ---------------------------------------------------------------------------------------


def squeeze_excitations(steps: Steps) -> tuple[SqueezeExcitation, ...]:
    """Channels rescaled by a gate: global pooling, two layers, sigmoid, product with what was pooled."""
    found = (_squeeze_excitation(steps, s) for s in steps if s.op == "mul" and len(s.inputs) == 2)
    return tuple(f for f in found if f)


def _squeeze_excitation(steps: Steps, product: Step) -> SqueezeExcitation | None:
    for gate, feature in (product.inputs, product.inputs[::-1]):
        sigmoid = steps[_back(steps, gate, RESHAPES | NOTHING)]
        if sigmoid.op in GATES and (found := _excitation(steps, sigmoid, feature, product.id)):
            return found
    return None


def _excitation(steps: Steps, sigmoid: Step, feature: int, rescale: int) -> SqueezeExcitation | None:
    """The two layers and the pooling behind a gate, if the pooling is of the feature itself."""
    passed = RESHAPES | NOTHING | NORMS
    expand = steps[_back(steps, sigmoid.inputs[0], passed)]
    if not _is_dense(expand):
        return None
    reduce = steps[_before(steps, expand.inputs[0], passed)[0]]
    if not _is_dense(reduce):
        return None
    pooling = steps[_back(steps, reduce.inputs[0], passed)]
    if not _is_global_pooling(steps, pooling) or pooling.inputs[0] != feature:
        return None
    channels, reduced = reduce.tensor_shapes[0][1], reduce.tensor_shapes[0][0]
    return SqueezeExcitation(pooling.id, reduce.id, expand.id, rescale, channels, reduced)


def _is_dense(step: Step) -> bool:
    """A linear layer, or a 1x1 convolution of all channels."""
    return (step.op == "linear" and bool(step.tensor_shapes)) or _is_pointwise(step)


def _is_pointwise(step: Step) -> bool:
    if step.op not in CONVOLUTIONS or not step.tensor_shapes:
        return False
    return set(step.tensor_shapes[0][2:]) == {1} and step.arguments["groups"] == 1


# --- inverted residuals -------------------------------------------------------------------------------------------


def inverted_residuals(steps: Steps) -> tuple[InvertedResidual, ...]:
    """MBConv blocks: [1x1 expansion] -> depthwise -> [squeeze-excitation] -> 1x1 projection without non-linearity."""
    readers = _readers(steps)
    rescales = {s.rescale: s for s in squeeze_excitations(steps)}
    single = {s.id for s in depthwise(steps)}
    found = (_block(steps, s, single, rescales, readers) for s in steps if _is_pointwise(s))
    return tuple(f for f in found if f)


def _readers(steps: Steps) -> dict[int, list[int]]:
    readers: dict[int, list[int]] = {s.id: [] for s in steps}
    for step in steps:
        for source in set(step.inputs):
            readers[source].append(step.id)
    return readers


def _block(
    steps: Steps,
    projection: Step,
    single: set[int],
    rescales: Mapping[int, SqueezeExcitation],
    readers: Mapping[int, list[int]],
) -> InvertedResidual | None:
    """The block that ends in this 1x1 convolution, or None."""
    at, excitation = _before(steps, projection.inputs[0], NOTHING | NORMS)[0], None
    if at in rescales:
        excitation = rescales[at]
        at = _before(steps, steps[excitation.pooling].inputs[0], NOTHING | NORMS)[0]
    ends = _linear_end(steps, projection.id, readers)
    if at not in single or not ends:
        return None
    middle = steps[at]
    expansion = _expansion(steps, middle)
    source = _back(steps, (expansion or middle).inputs[0], PADS)
    weight = (expansion or middle).tensor_shapes[0]
    return InvertedResidual(
        expansion=expansion.id if expansion else None,
        depthwise=middle.id,
        projection=projection.id,
        squeeze_excitation=excitation,
        skip=any(source in steps[a].inputs for a in _additions(steps, ends, readers)),
        in_channels=weight[1] if expansion else weight[0],
        expanded=middle.tensor_shapes[0][0],
        out_channels=projection.tensor_shapes[0][0],
        kernel_size=middle.tensor_shapes[0][2:],
        stride=middle.arguments["stride"][0],
    )


def _expansion(steps: Steps, middle: Step) -> Step | None:
    """The 1x1 convolution with a non-linearity before the depthwise one."""
    at, activated = _before(steps, middle.inputs[0], NOTHING | NORMS | PADS)
    return steps[at] if activated and _is_pointwise(steps[at]) else None


def _linear_end(steps: Steps, projection: int, readers: Mapping[int, list[int]]) -> list[int]:
    """The projection and its normalisation, or nothing when a non-linearity follows."""
    chain = [projection]
    while len(following := readers[chain[-1]]) == 1 and steps[following[0]].op in NORMS | NOTHING:
        chain.append(following[0])
    return [] if any(_activation(steps, steps[r]) for r in readers[chain[-1]]) else chain


def _additions(steps: Steps, ends: list[int], readers: Mapping[int, list[int]]) -> list[int]:
    return [r for r in readers[ends[-1]] if steps[r].op == "add"]


def stages(blocks: tuple[InvertedResidual, ...]) -> tuple[int, ...]:
    """How many blocks in a row have the same number of output channels and kernel: B0 has 1, 2, 2, 3, 3, 4, 1."""
    if not blocks:
        return ()
    counts = [1]
    for before, after in pairwise(blocks):
        same = (before.out_channels, before.kernel_size) == (after.out_channels, after.kernel_size)
        counts[-1:] = [counts[-1] + 1] if same else [counts[-1], 1]
    return tuple(counts)
