"""Step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Step:
    """One operation of a network's evaluation graph; step 0 is the input, of which `op` is "input".

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
