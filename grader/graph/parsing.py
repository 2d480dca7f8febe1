"""ir -> Program: every field of a captured network checked against the table of operations. Nothing is run here.

What comes in was made beside student code and may be hostile in every field. What comes out has known operations, the
arguments that their schemas name (all of them, defaults filled in), references that point backwards only, and bounded
numbers. Every fault is a Refused.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from grader.graph import allowed
from grader.graph.fields import fields_of, is_int, list_of, shown
from grader.graph.program import Caps, Program, Refused, TensorSpec
from grader.graph.reader import GraphReader

VERSION = 1
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,199}")
KINDS = ("parameter", "frozen", "buffer", "constant")
MOST_DIMENSIONS = 8
MODES = ("train", "eval")


def parse(ir: object, caps: Caps) -> Program:
    """Check a captured network's form. Raises Refused."""
    fields = fields_of(ir, ("version", "input", "batch", "tensors", "train", "eval"), "the network")
    if not is_int(fields["version"], VERSION, VERSION):
        raise Refused(f"the network's form has version {shown(fields['version'])}; this grader reads {VERSION}.")
    tensors = _tensors(fields["tensors"], caps)
    graphs = {mode: GraphReader(fields[mode], mode, tensors, caps).read() for mode in MODES}
    batch = fields["batch"]
    if batch is not None and not is_int(batch, 2, caps.images):
        raise Refused(f"the network's batch size is {shown(batch)}, wanted null or 2 to {caps.images}.")
    return Program(_input_shape(fields["input"]), batch, tuple(tensors.values()), **graphs)


def check_tensors(program: Program, tensors: object) -> dict[str, Tensor]:
    """The network's tensors, each as its spec says: plain, dense, on the CPU. Raises Refused."""
    if type(tensors) is not dict or set(tensors) != set(program.by_name):
        raise Refused("the network's tensors are not those that its form lists.")
    for spec in program.tensors:
        tensor = tensors[spec.name]
        if type(tensor) not in (Tensor, torch.nn.Parameter) or tensor.layout is not torch.strided:
            raise Refused(f"{spec.name} is not a plain tensor.")
        if tensor.dtype is not spec.dtype or tuple(tensor.shape) != spec.shape or tensor.device.type != "cpu":
            raise Refused(
                f"{spec.name} is {tensor.dtype} {tuple(tensor.shape)} on {tensor.device}, "
                f"wanted {spec.dtype} {spec.shape} on the CPU."
            )
    return tensors


def _input_shape(value: object) -> tuple[int, int, int]:
    sizes = list_of(value, 3, "the input's shape")
    if len(sizes) != 3 or not all(is_int(s, 1, 4096) for s in sizes):  # channels, rows, columns
        raise Refused("the input's shape must be [channels, height, width], each 1 to 4096.")
    return (sizes[0], sizes[1], sizes[2])


def _tensors(value: object, caps: Caps) -> dict[str, TensorSpec]:
    """The listed tensors by name, within the caps for numbers and bytes."""
    specs = [_tensor_spec(entry) for entry in list_of(value, caps.tensors, "the network's tensors")]
    by_name = {s.name: s for s in specs}
    if len(by_name) != len(specs):
        raise Refused("two tensors of the network have one name.")
    if (count := sum(s.count for s in specs)) > caps.parameters:
        raise Refused(f"the network holds {count:,} numbers; at most {caps.parameters:,} are accepted.")
    if (size := sum(s.count * s.dtype.itemsize for s in specs)) > caps.bytes:
        raise Refused(f"the network's tensors take {size:,} bytes; at most {caps.bytes:,} are accepted.")
    return by_name


def _tensor_spec(entry: object) -> TensorSpec:
    fields = fields_of(entry, ("name", "shape", "dtype", "kind"), "a tensor")
    name, dtype, kind = fields["name"], fields["dtype"], fields["kind"]
    if type(name) is not str or not NAME.fullmatch(name):
        raise Refused(f"a tensor's name is {shown(name)}; letters, digits, _ and . are accepted.")
    shape = list_of(fields["shape"], MOST_DIMENSIONS, f"the shape of {name}")
    if not all(is_int(s, 1, 1 << 28) for s in shape):
        raise Refused(f"the shape of {name} must be whole numbers above 0.")
    if type(dtype) is not str or dtype not in allowed.DTYPES or kind not in KINDS:
        raise Refused(f"{name} has an unknown dtype or kind.")
    if kind in ("parameter", "frozen") and not allowed.DTYPES[dtype].is_floating_point and kind == "parameter":
        raise Refused(f"{name} is to be trained but has dtype {dtype}.")
    return TensorSpec(name, tuple(shape), allowed.DTYPES[dtype], kind)
