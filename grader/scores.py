"""Which of all that a network returns are its scores. Runs beside student code: standard library and torch only.

A network may return one tensor, or a tuple, a list or a dict that holds more than the scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree

# In a dict, the earlier of these is taken.
NAMES = ("logits", "logit", "scores", "score", "output", "outputs", "out", "y", "pred", "preds", "prediction")
PLACES = ("first", "second", "third")


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores, their place among all that was returned, and a note for people where they were not returned alone."""

    tensor: Tensor
    place: int
    note: str = ""


def find(output: object, classes: int | None = None) -> Scores | None:
    """The scores in what a network returned; None where there is no tensor.

    Those of the right shape (N, `classes`) come before those of another, in a dict those whose key says so before
    others, and then the earlier before the later. `classes` None: any tensor of two dimensions has the right shape.
    """
    if isinstance(output, Tensor):
        return Scores(output, 0)
    leaves = pytree.tree_flatten_with_path(output)[0]
    found = [
        (not _fits(leaf, classes), _rank(path), place)
        for place, (path, leaf) in enumerate(leaves)
        if isinstance(leaf, Tensor)
    ]
    if not found:
        return None
    place = min(found)[2]
    path, tensor = leaves[place]
    return Scores(tensor, place, f"the network returns a {type(output).__name__}; its {_said(path)} is taken")


def _fits(tensor: Tensor, classes: int | None) -> bool:
    return tensor.dim() == 2 and classes in (None, tensor.shape[1])  # images, classes


def _rank(path: tuple[Any, ...]) -> int:
    key = getattr(path[-1], "key", None) if path else None
    name = key.lower() if isinstance(key, str) else ""
    return NAMES.index(name) if name in NAMES else len(NAMES)


def _said(path: tuple[Any, ...]) -> str:
    """Where it is, for people: "first element", "entry 'logits'"."""
    match path:
        case (pytree.SequenceKey(idx=int() as i),) if i < len(PLACES):
            return f"{PLACES[i]} element"
        case (pytree.MappingKey(key=key),):
            return f"entry {str(key)[:40]!r}"
    return f"part {pytree.keystr(path)[:80]}"
