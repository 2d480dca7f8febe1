"""A network's steps, and questions about single ones: convolutions, poolings, non-linearities. No torch.

Answers hold for every spelling: module or function, in place or not, SiLU as x * sigmoid(x).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal


@dataclass(frozen=True)
class Step:
    """One operation of a network's evaluation graph. Step 0 is the input (`op` "input"), the last step the answer.

    `op` is torch's name without "aten.", overload and in-place mark. `arguments` are those of its schema, all of them,
    by name: numbers, bools, strings, None or tuples of these; tensors stand apart, in `inputs` (ids of earlier steps)
    and `tensors` (names, with their shapes in `tensor_shapes`; before them that of a weight which is computed, as in
    weight standardisation). `shape` is the result's, without the images.
    """

    id: int
    op: str
    arguments: Mapping[str, Any]
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    tensors: tuple[str, ...] = ()
    tensor_shapes: tuple[tuple[int, ...], ...] = ()


Steps = tuple[Step, ...]


CONVOLUTIONS = frozenset({"conv1d", "conv2d"})
WINDOWS = frozenset({"max_pool2d", "max_pool2d_with_indices", "avg_pool2d"})
ADAPTIVE = frozenset({"adaptive_avg_pool2d", "adaptive_max_pool2d"})
NORMS = frozenset({"batch_norm", "group_norm", "layer_norm", "instance_norm", "rms_norm"})
ACTIVATIONS = frozenset(
    "relu relu6 silu gelu mish hardswish hardsigmoid hardtanh leaky_relu prelu elu celu selu softplus log_sigmoid "
    "sigmoid tanh softmax log_softmax".split()
)
GATES = frozenset({"sigmoid", "hardsigmoid"})
PRODUCTS = frozenset({"linear", "addmm", "matmul", "mm", "inner"})
TURNS = frozenset({"t", "transpose", "numpy_T", "mT", "permute", "swapaxes", "swapdims", "movedim"})
RESHAPES = frozenset({"reshape", "reshape_as", "flatten", "unflatten", "squeeze", "unsqueeze", "expand", "expand_as"})
NOTHING = frozenset({"dropout", "feature_dropout", "alpha_dropout", "contiguous", "clone", "alias", "detach", "to"})
PADS = frozenset({"pad", "constant_pad_nd"})
SPATIAL = 3  # channels, rows, columns
OVER_WINDOWS = {"amax": "max_pool2d", "mean": "avg_pool2d"}
NO_WINDOWS: tuple[int, tuple[int, ...]] = (0, ())


# --- single steps -------------------------------------------------------------------------------------------------


def convolutions(steps: Steps) -> Steps:
    """Convolutions of every kind, in order; what is done to constants alone is no layer."""
    return tuple(s for s in steps if s.op in CONVOLUTIONS and s.tensor_shapes and s.inputs)


def depthwise(steps: Steps) -> Steps:
    """Convolutions in which every channel is filtered alone."""
    return tuple(s for s in convolutions(steps) if s.arguments["groups"] > 1 and s.tensor_shapes[0][1] == 1)


def poolings(steps: Steps) -> Steps:
    """Max and average poolings, adaptive and global ones included."""
    found = {s.id for s in global_poolings(steps)}
    told = (_over_windows(steps, s) or s for s in steps)
    return tuple(s for s in told if s.inputs and (s.op in WINDOWS | ADAPTIVE or s.id in found))


def _over_windows(steps: Steps, step: Step) -> Step | None:
    """A maximum or mean over the windows that a reshape or two unfolds make, in the words of torch's own pooling."""
    pooled = OVER_WINDOWS.get(step.op)
    if pooled is None or not step.inputs:
        return None
    cut = steps[step.inputs[0]]
    dim = step.arguments.get("dim")
    dims = {d % (len(cut.shape) + 1) for d in dim} if isinstance(dim, tuple) else set()
    whole, window = _reshaped(steps, cut) if dims == {3, 5} else _unfolded(steps, cut) if dims == {4, 5} else NO_WINDOWS
    if not window or len(step.shape) != SPATIAL:
        return None
    return replace(step, op=pooled, inputs=(whole,), arguments={"kernel_size": window})


def _reshaped(steps: Steps, cut: Step) -> tuple[int, tuple[int, ...]]:
    """What a reshape to (channels, rows, p, columns, q) cuts into windows of p x q, and these; `NO_WINDOWS`."""
    if cut.op != "reshape" or len(cut.shape) != 5 or not cut.inputs:
        return NO_WINDOWS
    channels, rows, p, columns, q = cut.shape
    fits = steps[cut.inputs[0]].shape == (channels, rows * p, columns * q)
    return (cut.inputs[0], (p, q)) if fits else NO_WINDOWS


def _unfolded(steps: Steps, cut: Step) -> tuple[int, tuple[int, ...]]:
    """What two unfolds, of rows and then of columns, cut into windows, and these; `NO_WINDOWS` for anything else."""
    rows = steps[cut.inputs[0]] if cut.op == "unfold" and cut.inputs else cut
    if rows is cut or rows.op != "unfold" or not rows.inputs or len(cut.shape) != 5:
        return NO_WINDOWS
    if (rows.arguments["dimension"] % 4, cut.arguments["dimension"] % 5) != (2, 3):
        return NO_WINDOWS
    return rows.inputs[0], (rows.arguments["size"], cut.arguments["size"])


def global_poolings(steps: Steps) -> Steps:
    """Poolings of the whole picture to one number for each channel, however they are written."""
    return tuple(s for s in steps if is_global_pooling(steps, s))


def linears(steps: Steps) -> Steps:
    """Fully connected layers: linear, or a product with a weight or a turned one (`x @ weight.T`)."""
    return tuple(
        s
        for s in steps
        if s.op in PRODUCTS and s.inputs and (s.tensor_shapes or any(_is_turned_weight(steps[i]) for i in s.inputs[1:]))
    )


def _is_turned_weight(step: Step) -> bool:
    return step.op in TURNS and not step.inputs and bool(step.tensor_shapes)


def normalisations(steps: Steps) -> Steps:
    """Batch, group, layer and instance normalisations."""
    return tuple(s for s in steps if s.op in NORMS)


def activations(steps: Steps) -> dict[str, int]:
    """How often each non-linearity is used, by name; x * sigmoid(x) counts as silu, a clamp at 0 as relu."""
    inside = {sigmoid for s in steps if (sigmoid := _silu_gate(steps, s)) is not None}
    names = (activation(steps, s) for s in steps if s.id not in inside)
    return dict(Counter(name for name in names if name))


def residual_additions(steps: Steps) -> Steps:
    """Additions of two results of one shape: where branches meet."""
    return tuple(s for s in steps if s.op == "add" and _are_branches(steps, s))


def softmax_head(steps: Steps) -> Literal["softmax", "log_softmax"] | None:
    """Whether the answer is softmax or log-softmax of the scores."""
    last = steps[back(steps, len(steps) - 1, RESHAPES | NOTHING)]
    if last.op in ("softmax", "log_softmax"):
        return "softmax" if last.op == "softmax" else "log_softmax"
    if last.op == "log" and steps[back(steps, last.inputs[0], RESHAPES | NOTHING)].op == "softmax":
        return "log_softmax"
    return None


def _are_branches(steps: Steps, step: Step) -> bool:
    if len(set(step.inputs)) != 2:  # two branches
        return False
    a, b = (steps[i] for i in step.inputs)
    return a.shape == b.shape == step.shape and len(a.shape) > 0


def is_global_pooling(steps: Steps, step: Step) -> bool:
    """Whether a step pools the whole picture."""
    if not step.inputs or len(steps[step.inputs[0]].shape) != SPATIAL:
        return False
    if step.op in ADAPTIVE:
        return set(step.arguments["output_size"]) == {1}
    if step.op == "mean":
        dims = step.arguments.get("dim") or ()
        return {d % 4 for d in dims} == {2, 3}
    return step.op == "avg_pool2d" and step.shape[1:] == (1, 1) and steps[step.inputs[0]].shape[1:] != (1, 1)


# --- chains of steps ----------------------------------------------------------------------------------------------


def back(steps: Steps, id: int, passed: frozenset[str]) -> int:  # noqa: A002  # the glossary's word
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


def activation(steps: Steps, step: Step) -> str | None:
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
    if activation(steps, step) is None:
        return None
    gate = _silu_gate(steps, step)
    return steps[gate].inputs[0] if gate is not None else step.inputs[0]


def before(steps: Steps, id: int, passed: frozenset[str]) -> tuple[int, bool]:  # noqa: A002
    """From a step back through `passed` and non-linearities: where that ends, and whether there was one of these."""
    activated = False
    while True:
        id = back(steps, id, passed)  # noqa: A001
        source = _activated(steps, steps[id])
        if source is None:
            return id, activated
        id, activated = source, True  # noqa: A001
