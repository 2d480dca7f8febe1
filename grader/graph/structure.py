"""Questions about a network's steps: what is it built of? No torch.

Answers hold for every spelling: module or function, in place or not, SiLU as x * sigmoid(x), a squeeze by adaptive
pooling or by mean, an excitation by 1x1 convolutions or by linear layers. Those about single steps are in steps.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from grader.graph.steps import (
    CONVOLUTIONS,
    GATES,
    NORMS,
    NOTHING,
    PADS,
    RESHAPES,
    Step,
    Steps,
    activation,
    activations,
    back,
    before,
    convolutions,
    depthwise,
    global_poolings,
    is_global_pooling,
    linears,
    normalisations,
    poolings,
    residual_additions,
    softmax_head,
)

__all__ = [
    "InvertedResidual",
    "SqueezeExcitation",
    "Step",
    "Steps",
    "activations",
    "convolutions",
    "depthwise",
    "global_poolings",
    "inverted_residuals",
    "linears",
    "normalisations",
    "poolings",
    "residual_additions",
    "softmax_head",
    "squeeze_excitations",
    "stages",
]


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


# --- squeeze and excitation ---------------------------------------------------------------------------------------


def squeeze_excitations(steps: Steps) -> tuple[SqueezeExcitation, ...]:
    """Channels rescaled by a gate: global pooling, two layers, sigmoid, product with what was pooled."""
    found = (_squeeze_excitation(steps, s) for s in steps if s.op == "mul" and len(s.inputs) == 2)
    return tuple(f for f in found if f)


def _squeeze_excitation(steps: Steps, product: Step) -> SqueezeExcitation | None:
    for gate, feature in (product.inputs, product.inputs[::-1]):
        sigmoid = steps[back(steps, gate, RESHAPES | NOTHING)]
        if sigmoid.op in GATES and (found := _excitation(steps, sigmoid, feature, product.id)):
            return found
    return None


def _excitation(steps: Steps, sigmoid: Step, feature: int, rescale: int) -> SqueezeExcitation | None:
    """The two layers and the pooling behind a gate, if the pooling is of the feature itself."""
    passed = RESHAPES | NOTHING | NORMS
    expand = steps[back(steps, sigmoid.inputs[0], passed)]
    if not _is_dense(expand):
        return None
    reduce = steps[before(steps, expand.inputs[0], passed)[0]]
    if not _is_dense(reduce):
        return None
    pooling = steps[back(steps, reduce.inputs[0], passed)]
    if not is_global_pooling(steps, pooling) or pooling.inputs[0] != feature:
        return None
    channels, reduced = reduce.tensor_shapes[0][1], reduce.tensor_shapes[0][0]
    return SqueezeExcitation(pooling.id, reduce.id, expand.id, rescale, channels, reduced)


def _is_dense(step: Step) -> bool:
    """A linear layer, or a 1x1 convolution of all channels."""
    matrix = step.op == "linear" and bool(step.tensor_shapes) and len(step.tensor_shapes[0]) == 2
    return matrix or _is_pointwise(step)


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
    at, excitation = before(steps, projection.inputs[0], NOTHING | NORMS)[0], None
    if at in rescales:
        excitation = rescales[at]
        at = before(steps, steps[excitation.pooling].inputs[0], NOTHING | NORMS)[0]
    ends = _linear_end(steps, projection.id, readers)
    if at not in single or not ends:
        return None
    middle = steps[at]
    expansion = _expansion(steps, middle)
    source = back(steps, (expansion or middle).inputs[0], PADS)
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
    at, activated = before(steps, middle.inputs[0], NOTHING | NORMS | PADS)
    return steps[at] if activated and _is_pointwise(steps[at]) else None


def _linear_end(steps: Steps, projection: int, readers: Mapping[int, list[int]]) -> list[int]:
    """The projection and its normalisation, or nothing when a non-linearity follows."""
    chain = [projection]
    while len(following := readers[chain[-1]]) == 1 and steps[following[0]].op in NORMS | NOTHING:
        chain.append(following[0])
    return [] if any(activation(steps, steps[r]) for r in readers[chain[-1]]) else chain


def _additions(steps: Steps, ends: list[int], readers: Mapping[int, list[int]]) -> list[int]:
    return [r for r in readers[ends[-1]] if steps[r].op == "add"]


def stages(blocks: tuple[InvertedResidual, ...]) -> tuple[int, ...]:
    """How many blocks in a row have the same number of output channels and kernel: B0 has 1, 2, 2, 3, 3, 4, 1."""
    if not blocks:
        return ()
    counts = [1]
    for one, other in pairwise(blocks):
        same = (one.out_channels, one.kernel_size) == (other.out_channels, other.kernel_size)
        counts[-1:] = [counts[-1] + 1] if same else [counts[-1], 1]
    return tuple(counts)
