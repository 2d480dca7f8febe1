"""A network as it was captured, beside the one that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest

from grader.model import AskedLayer, Layer, ModelResult

SILENT = ("flatten", "dropout")  # steps that nobody asks for and that change nothing


@dataclass(frozen=True)
class Row:
    """A step that was asked for and the one that stands in its place, either of them None. `same`: as asked."""

    asked: AskedLayer | None
    layer: Layer | None
    same: bool

    @property
    def extra(self) -> bool:
        """Whether it is a step that nobody asked for and that matters."""
        return self.asked is None and self.layer is not None and not self.layer.op.startswith(SILENT)


@dataclass(frozen=True)
class Part:
    """A kind of step: how many an ordinary network of its kind has, and how many this one has."""

    op: str
    usual: int
    found: int


def rows(model: ModelResult) -> list[Row]:
    """The captured steps beside those asked for, in order; equal ones side by side, between them those of a kind."""
    asked, layers = model.asked_layers, model.layers
    spellings = {(also, a.output_shape): (a.op, a.output_shape) for a in asked for also in a.also}
    wanted = [(a.op, a.output_shape) for a in asked]
    found = [spellings.get((layer.op, layer.output_shape), (layer.op, layer.output_shape)) for layer in layers]
    matcher = SequenceMatcher(None, wanted, found, autojunk=False)
    return [row for code in matcher.get_opcodes() for row in _rows(code, asked, layers)]


def parts(model: ModelResult) -> list[Part]:
    """The kinds of steps that the question names, counted."""
    return [Part(op, usual, sum(_is(layer, op) for layer in model.layers)) for op, usual in model.asked_parts.items()]


def _rows(code: tuple[str, int, int, int, int], asked: Sequence[AskedLayer], layers: Sequence[Layer]) -> list[Row]:
    tag, i, j, k, n = code
    some_asked, some_layers = asked[i:j], layers[k:n]
    if tag == "equal":
        return [Row(a, layer, True) for a, layer in zip(some_asked, some_layers, strict=True)]
    matcher = SequenceMatcher(None, [_kind(a) for a in some_asked], [_kind(s) for s in some_layers], autojunk=False)
    return [
        Row(a, layer, False)
        for _, i, j, k, n in matcher.get_opcodes()
        for a, layer in zip_longest(some_asked[i:j], some_layers[k:n])
    ]


def _kind(step: AskedLayer | Layer) -> str:
    """The first word: `conv2d` of `conv2d 5x5, 3 -> 6`."""
    return step.op.partition(" ")[0]


def _is(layer: Layer, op: str) -> bool:
    return layer.op == op or layer.op.startswith(f"{op} ")
