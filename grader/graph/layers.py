"""A measured Program as Steps, for questions of structure, and as Layers, for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from grader.graph.measure import Measurement, Shape
from grader.graph.program import Node, Program, Ref, Weight
from grader.graph.steps import Step
from grader.model import Layer

UNSEEN = frozenset(
    {"sym_size", "getitem", "add_number", "contiguous", "clone", "alias", "detach", "t", "lift_fresh_copy"}
)
BATCH = "batch"


def shape_of(measurement: Measurement, index: int) -> tuple[int, ...]:
    """A node's shape without the images; () for numbers and for several results."""
    result = measurement.results[index]
    if not isinstance(result, Shape):
        return ()
    sizes = result.sizes
    return sizes[1:] if sizes and sizes[0] == measurement.batch else sizes


def steps(program: Program, measurement: Measurement) -> tuple[Step, ...]:
    """What the answer depends on, in order; step 0 is the input, the last step the answer."""
    return tuple(step for _, step in _numbered(program, measurement))


def _numbered(program: Program, measurement: Measurement) -> list[tuple[int, Step]]:
    """Steps with the numbers of their nodes."""
    kept = _kept(program, measurement)
    ids = {node: i for i, node in enumerate(kept)}
    first = Step(0, "input", MappingProxyType({}), (), program.input_shape)
    nodes = dict(program.eval)
    return [(0, first), *((i, _step(program, measurement, i, nodes[i], ids)) for i in kept[1:])]


def _kept(program: Program, measurement: Measurement) -> list[int]:
    """The input and the nodes that the answer depends on; numbers are no steps."""
    nodes, kept, waiting = dict(program.eval), {0}, [program.eval.output.node]
    while waiting:
        index = waiting.pop()
        if index not in kept and not isinstance(measurement.results[index], int):
            kept.add(index)
            waiting.extend(r.node for r in nodes[index].references if isinstance(r, Ref))
    return sorted(kept)


def _step(program: Program, measurement: Measurement, index: int, node: Node, ids: Mapping[int, int]) -> Step:
    names = tuple(r.name for r in node.references if isinstance(r, Weight))
    weight = node.arguments.get("weight")
    computed = measurement.results[weight.node] if isinstance(weight, Ref) else None
    first = (computed.sizes,) if isinstance(computed, Shape) else ()
    return Step(
        id=ids[index],
        op=node.operator.base,
        arguments=MappingProxyType({k: _plain(v) for k, v in node.arguments.items() if not _is_tensor(node, k, v)}),
        inputs=tuple(ids[r.node] for r in node.references if isinstance(r, Ref) and r.node in ids),
        shape=shape_of(measurement, index),
        tensors=names,
        tensor_shapes=(*first, *(program.by_name[name].shape for name in names)),
    )


def _is_tensor(node: Node, name: str, value: Any) -> bool:
    if isinstance(value, int | float):
        return False
    return any(p.name == name and p.kind in ("Tensor", "results") for p in node.operator.parameters)


def _plain(value: Any) -> Any:
    """An argument without torch: a number that depends on the batch is "batch"."""
    if isinstance(value, tuple):
        return tuple(_plain(v) for v in value)
    if isinstance(value, Ref):
        return BATCH
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def layers(program: Program, measurement: Measurement) -> tuple[Layer, ...]:
    """The evaluation graph as a person would list it; a parameter counts where it is first used."""
    counted: set[str] = set()
    listed = []
    for index, step in _numbered(program, measurement)[1:]:
        new = {n for n in step.tensors if program.by_name[n].kind == "parameter"} - counted
        counted |= new
        if step.op in UNSEEN:
            continue
        listed.append(
            Layer(
                op=describe(step),
                output_shape=step.shape,
                parameters=sum(program.by_name[n].count for n in new),
                flops=measurement.flops[index] // measurement.batch,
            )
        )
    return tuple(listed)


# --- words --------------------------------------------------------------------------------------------------------


def describe(step: Step) -> str:
    """A step as people say it: "conv2d 5x5, 3 -> 6", "max_pool2d 2x2", "linear 400 -> 120"."""
    words = WORDS.get(step.op)
    return words(step) if words else step.op


def _times(sizes: tuple[int, ...]) -> str:
    """(5, 5) -> "5x5"; one number stands for both."""
    return "x".join(str(s) for s in (sizes * 2 if len(sizes) == 1 else sizes))


def _unless(word: str, value: Any, usual: tuple[int, ...]) -> str:
    """An argument that is not the usual one: ", stride 2"."""
    value = value if isinstance(value, tuple) else (value,)
    if not value or set(value) == set(usual):
        return ""
    return f", {word} {value[0] if len(set(value)) == 1 else _times(value)}"


def _convolution(step: Step) -> str:
    if not step.tensor_shapes or len(step.tensor_shapes[0]) < 3:
        return step.op
    out, per_group, *kernel = step.tensor_shapes[0]
    groups = step.arguments["groups"]
    extra = "".join(
        _unless(word, step.arguments[word], usual)
        for word, usual in (("stride", (1,)), ("padding", (0,)), ("dilation", (1,)))
    )
    if groups > 1 and per_group == 1:
        return f"depthwise {step.op} {_times(tuple(kernel))}, {groups} -> {out}{extra}"
    grouped = f", groups {groups}" if groups > 1 else ""
    return f"{step.op} {_times(tuple(kernel))}, {per_group * groups} -> {out}{extra}{grouped}"


def _linear(step: Step) -> str:
    sizes = step.tensor_shapes[0] if step.tensor_shapes else ()
    return f"linear {sizes[1]} -> {sizes[0]}" if len(sizes) == 2 else step.op


def _pooling(step: Step) -> str:
    kernel = step.arguments["kernel_size"]
    extra = _unless("stride", step.arguments["stride"], kernel) + _unless("padding", step.arguments["padding"], (0,))
    return f"{step.op} {_times(kernel)}{extra}"


def _normalisation(step: Step) -> str:
    return f"{step.op} {step.tensor_shapes[0][0]}" if step.tensor_shapes else step.op


WORDS: Mapping[str, Callable[[Step], str]] = MappingProxyType(
    {
        **dict.fromkeys(("conv1d", "conv2d"), _convolution),
        **dict.fromkeys(("max_pool2d", "avg_pool2d"), _pooling),
        **dict.fromkeys(("batch_norm", "layer_norm"), _normalisation),
        "linear": _linear,
        "adaptive_avg_pool2d": lambda s: f"{s.op} to {_times(s.arguments['output_size'])}",
        "adaptive_max_pool2d": lambda s: f"{s.op} to {_times(s.arguments['output_size'])}",
        "dropout": lambda s: f"dropout {s.arguments['p']:g}",
    }
)
