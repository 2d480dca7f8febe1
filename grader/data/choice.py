"""Which images are kept, by nothing but the images: their hashes decide, class by class."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grader.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

TEST_SHARE = 6  # one image in six is for testing where a folder does not say, as in CIFAR-10


@dataclass(frozen=True)
class Part:
    """Images of one part as read: pixels (3, 32, 32), in any order."""

    classes: tuple[str, ...]
    images: NDArray[np.uint8]  # (N, 3, 32, 32)
    labels: NDArray[np.int64]


def chosen(part: Part, per_class: int | None, salt: str) -> tuple[Tensor, Tensor]:
    """The first `per_class` images of each class by their hashes: (N, 3, 32, 32) uint8, and labels (N,).

    The classes take turns, so a prefix is balanced.
    """
    import torch

    ranks = in_order(part, salt)
    if per_class is not None:
        fewest = min(len(r) for r in ranks)
        if fewest < per_class:
            name = part.classes[min(range(len(ranks)), key=lambda c: len(ranks[c]))]
            raise DataError(f"class {name} has {fewest} images; {per_class} were asked for. Ask for fewer.")
        ranks = [r[:per_class] for r in ranks]
    order = [r[i] for i in range(max(map(len, ranks))) for r in ranks if i < len(r)]
    return torch.from_numpy(part.images[order]), torch.from_numpy(part.labels[order])


def in_order(part: Part, salt: str) -> list[list[int]]:
    """For each class, the positions of its images in the order of SHA-256(salt + pixels + label)."""
    keys = [
        hashlib.sha256(salt.encode() + image.tobytes() + bytes([label])).digest()
        for image, label in zip(part.images, part.labels, strict=True)
    ]
    ranks: list[list[int]] = [[] for _ in part.classes]
    for i in sorted(range(len(keys)), key=keys.__getitem__):
        ranks[part.labels[i]].append(i)
    return ranks


def parted(part: Part) -> dict[str, Part]:
    """One image in six of each class for testing, the first in the order of their hashes; the rest for training."""
    ranks = in_order(part, "")
    cuts = [len(r) // TEST_SHARE for r in ranks]
    if not all(cuts):
        raise DataError(f"each class needs at least {TEST_SHARE} images to be parted into training and test")
    places = {
        "train": [i for r, cut in zip(ranks, cuts, strict=True) for i in r[cut:]],
        "test": [i for r, cut in zip(ranks, cuts, strict=True) for i in r[:cut]],
    }
    return {name: Part(part.classes, part.images[at], part.labels[at]) for name, at in places.items()}
