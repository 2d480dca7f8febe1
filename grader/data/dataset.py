"""DataSet: images and labels to train and to test with, as they stand in one file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from grader.data.tensors import digest_of, load_tensors, save_tensors
from grader.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

SHAPE = (3, 32, 32)
TENSORS = ("train_images", "train_labels", "test_images", "test_labels")


@dataclass(frozen=True, eq=False)
class DataSet:
    """Images (N, 3, 32, 32) uint8 and labels (N,) int64, to train and to test with. `source` is the kind of origin."""

    name: str
    classes: tuple[str, ...]
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    stand_in: bool = False
    source: str = ""
    salt: str = ""

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the names and the tensors."""
        return digest_of([self.name, self.classes], {name: getattr(self, name) for name in TENSORS})

    def subset(self, train_per_class: int | None, test_per_class: int | None) -> DataSet:
        """The first so many images of each class, or all there are when there are fewer (None: all)."""
        train = _first(self.train_labels, train_per_class)
        test = _first(self.test_labels, test_per_class)
        return replace(
            self,
            train_images=self.train_images[train],
            train_labels=self.train_labels[train],
            test_images=self.test_images[test],
            test_labels=self.test_labels[test],
        )

    def save(self, path: Path) -> None:
        """Write the file that `load` reads, whole or not at all."""
        note = {
            "name": self.name,
            "classes": list(self.classes),
            "stand_in": self.stand_in,
            "source": self.source,
            "salt": self.salt,
            "digest": self.digest,
        }
        save_tensors(path, {name: getattr(self, name) for name in TENSORS}, note)


def load(path: Path) -> DataSet:
    """The data set in a file written by `prepare`. Raises DataError when it is not whole."""
    tensors, note = load_tensors(path)
    try:
        found = DataSet(
            name=note["name"],
            classes=tuple(note["classes"]),
            stand_in=note["stand_in"],
            source=note["source"],
            salt=note["salt"],
            **{name: tensors[name] for name in TENSORS},
        )
        digest = note["digest"]
    except (KeyError, TypeError) as e:
        raise DataError(f"{path} is not a data set: {e}. Make it from its source again.") from e
    checked(found, path)
    if found.digest != digest:
        raise DataError(
            f"{path} was changed after it was made: its digest does not match. Make it from its source again."
        )
    return found


def describe(data: DataSet) -> str:
    """One line about a data set: its name, how many images of each kind, its classes and its digest's beginning."""
    kind = "drawn stand-in" if data.stand_in else "images"
    sizes = f"{len(data.train_labels)} to train on, {len(data.test_labels)} to test on"
    return f"{data.name}: {kind}, {sizes}; {len(data.classes)} classes ({', '.join(data.classes)}); {data.digest[:12]}"


def checked(data: DataSet, path: Path) -> None:
    """Raise DataError unless every tensor is as DataSet promises."""
    import torch

    for part in ("train", "test"):
        images, labels = getattr(data, f"{part}_images"), getattr(data, f"{part}_labels")
        if images.dtype != torch.uint8 or images.shape[1:] != SHAPE or not len(images):
            found = f"{tuple(images.shape)} {images.dtype}"
            raise DataError(f"{path}: the {part} images are {found}; wanted (N, 3, 32, 32) torch.uint8 with N above 0")
        if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
            raise DataError(
                f"{path}: {tuple(labels.shape)} {part} labels for {len(images)} images; wanted one for each"
            )
        if not 0 <= int(labels.min()) <= int(labels.max()) < len(data.classes):
            raise DataError(f"{path}: a {part} label is outside 0 to {len(data.classes) - 1}")


def _first(labels: Tensor, count: int | None) -> Tensor | slice:
    """Positions of the first `count` images of each class, in order."""
    import torch

    if count is None:
        return slice(None)
    places = [torch.nonzero(labels == c).flatten()[:count] for c in range(int(labels.max()) + 1)]
    return torch.cat(places).sort().values
