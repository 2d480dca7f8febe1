"""The data set: read from one file, made from what people have (torchvision, parquet, folders), or drawn as a stand-in.

A data set file is safetensors: four tensors, and a note with the name, the classes, where it came from and a SHA-256
over all of it. Nothing in it can execute, and equal contents give equal bytes.

Which images are kept depends on nothing but the images: in each class they are sorted by SHA-256(salt + pixels + label)
and the first k are taken. So a small set lies within a larger one, every class has the same number, and the order of
files does not matter. A private salt keeps the choice of hidden test images private.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from grader.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    Pixels = NDArray[np.uint8]

SHAPE = (3, 32, 32)
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
NOTE = "torchgrader"  # one key, because safetensors writes several in no fixed order
TENSORS = ("train_images", "train_labels", "test_images", "test_labels")
CONTRAST = (60, 110)  # with this noise a LeNet learns the drawn classes, but not perfectly
NOISE = 30
TEST_SHARE = 6  # one image in six is for testing where a folder does not say, as in CIFAR-10


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


def open_default(path: Path | None) -> DataSet:
    """The data set in `path`, else the stand-in."""
    return stand_in() if path is None else load(path)


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
    _check(found, path)
    if found.digest != digest:
        raise DataError(
            f"{path} was changed after it was made: its digest does not match. Make it from its source again."
        )
    return found


def prepare(source: str, out: Path, train_per_class: int | None, test_per_class: int | None, salt: str) -> DataSet:
    """Read `source`, choose the images, write them to `out`. The same images and salt give the same bytes.

    `source`: "torchvision" (fetches CIFAR-10 into a folder beside `out`); a folder that torchvision has filled; parquet
    files with "train" and "test" in their names, given as one of them or their folder; or a folder of class folders of
    images, in `train` and `test` or, when those are absent, parted by us. Raises DataError, which says what is missing.
    """
    kind, read = _reader(source, out)
    parts = read()
    classes = parts["train"].classes
    if parts["test"].classes != classes:
        raise DataError(f"{source}: training and test images have different classes; both need {', '.join(classes)}")
    train = _chosen(parts["train"], train_per_class, salt)
    test = _chosen(parts["test"], test_per_class, salt)
    name = "CIFAR-10" if classes == CIFAR10 else Path(source).name
    found = DataSet(name, classes, *train, *test, source=kind, salt=salt)
    _check(found, Path(source))
    found.save(out)
    return found


def digest_of(about: Any, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256, in hex, over `about` (JSON-able) and the tensors' names, kinds, shapes and bytes."""
    h = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        h.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        h.update(tensor.contiguous().numpy().data)
    return h.hexdigest()


def save_tensors(path: Path, tensors: Mapping[str, Tensor], note: Mapping[str, Any]) -> None:
    """Write tensors and a JSON note to one safetensors file, whole or not at all."""
    from safetensors.torch import save

    data = save({k: t.contiguous() for k, t in tensors.items()}, {NOTE: json.dumps(note, sort_keys=True)})
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the note of a file written by `save_tensors`. Raises DataError for any other file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            note = json.loads((file.metadata() or {})[NOTE])
            # Copies: the file is only mapped, and whoever shortened it later would end this process with a bus error.
            return {name: file.get_tensor(name).clone() for name in file.keys()}, note  # noqa: SIM118  # not a dict
    except OSError as e:
        raise DataError(f"{path} cannot be read: {e.strerror or e}") from e
    except (SafetensorError, KeyError, ValueError) as e:
        raise DataError(
            f"{path} is corrupt or not a file of ours ({type(e).__name__}). Make it from its source again."
        ) from e


def stand_in(train_per_class: int = 300, test_per_class: int = 100, seed: int = 0) -> DataSet:
    """Ten classes of drawn shapes, so that every command runs with no data set at hand. Not CIFAR-10, and named so.

    Everything is whole numbers from a bit generator whose stream is fixed, so every machine draws the same images.
    """
    numbers = _Numbers(seed)
    train, test = ([_drawn(draw, n, numbers) for draw in SHAPES.values()] for n in (train_per_class, test_per_class))
    return DataSet(
        "stand-in (drawn, not CIFAR-10)",
        tuple(SHAPES),
        *_taking_turns(train),
        *_taking_turns(test),
        stand_in=True,
        source="drawn",
    )


def _check(data: DataSet, path: Path) -> None:
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


@dataclass(frozen=True)
class _Part:
    """Images of one part as read: pixels (3, 32, 32), in any order."""

    classes: tuple[str, ...]
    images: Pixels  # (N, 3, 32, 32)
    labels: NDArray[np.int64]


def _chosen(part: _Part, per_class: int | None, salt: str) -> tuple[Tensor, Tensor]:
    """The first `per_class` images of each class by their hashes; the classes take turns, so a prefix is balanced."""
    import torch

    ranks = _ranks(part, salt)
    if per_class is not None:
        fewest = min(len(r) for r in ranks)
        if fewest < per_class:
            name = part.classes[min(range(len(ranks)), key=lambda c: len(ranks[c]))]
            raise DataError(f"class {name} has {fewest} images; {per_class} were asked for. Ask for fewer.")
        ranks = [r[:per_class] for r in ranks]
    order = [r[i] for i in range(max(map(len, ranks))) for r in ranks if i < len(r)]
    return torch.from_numpy(part.images[order]), torch.from_numpy(part.labels[order])


def _ranks(part: _Part, salt: str) -> list[list[int]]:
    """For each class, the positions of its images in the order of SHA-256(salt + pixels + label)."""
    keys = [
        hashlib.sha256(salt.encode() + image.tobytes() + bytes([label])).digest()
        for image, label in zip(part.images, part.labels, strict=True)
    ]
    ranks: list[list[int]] = [[] for _ in part.classes]
    for i in sorted(range(len(keys)), key=keys.__getitem__):
        ranks[part.labels[i]].append(i)
    return ranks


Parts = dict[str, _Part]


def _reader(source: str, out: Path) -> tuple[str, Callable[[], Parts]]:
    """The kind of a source and what reads it."""
    if source == "torchvision":
        return "torchvision", lambda: _torchvision(out.parent, download=True)
    path = Path(source)
    if not path.exists():
        raise DataError(f"there is no {source}: wanted a folder, a parquet file, or the word torchvision")
    root = path.parent if path.name == "cifar-10-batches-py" else path
    if (root / "cifar-10-batches-py").is_dir():
        return "torchvision", lambda: _torchvision(root, download=False)
    if path.suffix == ".parquet" or (path.is_dir() and any(path.rglob("*.parquet"))):
        return "parquet", lambda: _parquet(path)
    if path.is_dir():
        return "folder", lambda: _folders(path)
    raise DataError(f"{source} is neither a folder nor a parquet file")


def _torchvision(root: Path, download: bool) -> Parts:
    """CIFAR-10 through torchvision, which checks its files' sums before it reads them."""
    import numpy as np
    from torchvision import datasets

    parts = {}
    for name in ("train", "test"):
        try:
            archive = datasets.CIFAR10(root, train=name == "train", download=download)
        except OSError as e:
            raise DataError(f"CIFAR-10 could not be fetched ({e}). Fetch it where there is a network.") from e
        except RuntimeError as e:
            raise DataError(f"{root} is incomplete or corrupt. Delete it and fetch it again.") from e
        images = np.ascontiguousarray(archive.data.transpose(0, 3, 1, 2))
        parts[name] = _Part(tuple(archive.classes), images, np.asarray(archive.targets, np.int64))
    return parts


def _parquet(path: Path) -> Parts:
    """The Hugging Face form: a column of encoded images, a column of labels. A file is taken with those beside it."""
    try:
        import pyarrow.parquet as pq
    except ImportError as e:
        raise DataError("reading parquet needs pyarrow: install torchgrader[parquet]") from e
    folder = path if path.is_dir() else path.parent
    parts = {}
    for name in ("train", "test"):
        files = sorted(p for p in folder.rglob("*.parquet") if name in p.name)
        if not files:
            raise DataError(f'{folder} has no parquet file with "{name}" in its name; both train and test are needed')
        try:
            tables = [pq.read_table(p) for p in files]
            parts[name] = _rows(tables)
        except (OSError, ValueError, KeyError, TypeError) as e:  # pyarrow's own errors are of these kinds
            raise DataError(f"{files[0]} cannot be read as parquet with columns img and label: {e}") from e
    return parts


def _rows(tables: list[Any]) -> _Part:
    import numpy as np

    images, labels = [], []
    for table in tables:
        images += [_decoded(row["bytes"]) for row in table.column("img").to_pylist()]
        labels += table.column("label").to_pylist()
    if min(labels) < 0:
        raise ValueError(f"label {min(labels)}: an image has no class")
    return _Part(_names(tables[0], labels), np.stack(images), np.asarray(labels, np.int64))


def _names(table: Any, labels: list[int]) -> tuple[str, ...]:
    """The classes' names as Hugging Face notes them, else CIFAR-10's for ten classes, else their numbers."""
    note = (table.schema.metadata or {}).get(b"huggingface")
    if note:
        return tuple(json.loads(note)["info"]["features"]["label"]["names"])
    classes = max(labels) + 1
    return CIFAR10 if classes == len(CIFAR10) else tuple(map(str, range(classes)))


def _folders(path: Path) -> Parts:
    """A folder of class folders, in `train` and `test` or parted here by the images' hashes."""
    if (path / "train").is_dir() != (path / "test").is_dir():
        raise DataError(f"{path} has only one of the folders train and test; both are needed, or neither")
    if (path / "train").is_dir():
        return {name: _class_folders(path / name) for name in ("train", "test")}
    return _parted(_class_folders(path))


def _class_folders(path: Path) -> _Part:
    import numpy as np

    folders = sorted(p for p in path.iterdir() if p.is_dir())
    images, labels = [], []
    for label, folder in enumerate(folders):
        files = sorted(p for p in folder.iterdir() if re.fullmatch(r"\.(png|jpe?g)", p.suffix.lower()))
        if not files:
            raise DataError(f"{folder} has no .png or .jpg images")
        images += [_decoded(p.read_bytes(), p) for p in files]
        labels += [label] * len(files)
    if not images:
        raise DataError(f"{path} has no class folders with images in them")
    return _Part(tuple(p.name for p in folders), np.stack(images), np.asarray(labels, np.int64))


def _parted(part: _Part) -> Parts:
    """One image in six of each class for testing, the first in the order of their hashes; the rest for training."""
    ranks = _ranks(part, "")
    cuts = [len(r) // TEST_SHARE for r in ranks]
    if not all(cuts):
        raise DataError(f"each class needs at least {TEST_SHARE} images to be parted into training and test")
    places = {
        "train": [i for r, cut in zip(ranks, cuts, strict=True) for i in r[cut:]],
        "test": [i for r, cut in zip(ranks, cuts, strict=True) for i in r[:cut]],
    }
    return {name: _Part(part.classes, part.images[at], part.labels[at]) for name, at in places.items()}


def _decoded(data: bytes, path: Path | None = None) -> Pixels:
    """An encoded image as (3, 32, 32) bytes."""
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(data)).convert("RGB")
    except (UnidentifiedImageError, OSError) as e:
        raise DataError(f"{path or 'an image'} cannot be decoded: {e}") from e
    if image.size != SHAPE[1:]:
        raise DataError(f"{path or 'an image'} is {image.width} x {image.height}; wanted 32 x 32")
    return np.asarray(image).transpose(2, 0, 1)


class _Numbers:
    """Whole numbers from a seed. numpy fixes a bit generator's stream, but not what a Generator makes of it."""

    def __init__(self, seed: int) -> None:
        from numpy.random import PCG64

        self._bits = PCG64(seed)

    def between(self, low: int, high: int, *shape: int) -> NDArray[np.int64]:
        """Numbers from `low` to `high`, both included."""
        import numpy as np

        raw = self._bits.random_raw(math.prod(shape)) >> np.uint64(33)  # the low bits of a PCG are its weakest
        return (raw.astype(np.int64) % (high - low + 1) + low).reshape(shape)


Figure = Callable[["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.int64]"], "NDArray[np.bool_]"]
"""Which pixels belong to a figure, given their distances right and down from its middle, and its radius."""


def _far(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
    import numpy as np

    return np.maximum(abs(x), abs(y))


SHAPES: Mapping[str, Figure] = MappingProxyType(
    {
        "disc": lambda x, y, r: x * x + y * y <= r * r,
        "ring": lambda x, y, r: (x * x + y * y <= r * r) & (x * x + y * y > (r - 3) ** 2),
        "square": lambda x, y, r: _far(x, y) < r,
        "frame": lambda x, y, r: (_far(x, y) < r) & (_far(x, y) >= r - 3),
        "diamond": lambda x, y, r: abs(x) + abs(y) <= r + 1,
        "triangle": lambda x, y, r: (2 * abs(x) <= y + r) & (y < r),
        "plus": lambda x, y, r: (_far(x, y) <= r) & ((abs(x) <= 1) | (abs(y) <= 1)),
        "cross": lambda x, y, r: (_far(x, y) <= r) & (abs(abs(x) - abs(y)) <= 1),
        "rows": lambda x, y, r: (_far(x, y) < r) & (y % 4 < 2),
        "columns": lambda x, y, r: (_far(x, y) < r) & (x % 4 < 2),
    }
)


def _drawn(figure: Figure, count: int, numbers: _Numbers) -> Pixels:
    """(count, 3, 32, 32): the figure at random places, sizes and colours, in noise."""
    import numpy as np

    at = np.arange(32)
    right, down = numbers.between(11, 20, 2, count, 1, 1)
    radius = numbers.between(5, 10, count, 1, 1)
    inside = figure(at[None, None, :] - right, at[None, :, None] - down, radius)  # (count, 32, 32)
    ground = numbers.between(70, 185, count, 3, 1, 1)
    contrast = numbers.between(*CONTRAST, count, 3, 1, 1) * (2 * numbers.between(0, 1, count, 3, 1, 1) - 1)
    noise = numbers.between(-NOISE, NOISE, count, 3, 32, 32)
    return np.clip(ground + contrast * inside[:, None] + noise, 0, 255).astype(np.uint8)


def _taking_turns(images: list[Pixels]) -> tuple[Tensor, Tensor]:
    """Images of several classes, one of each in turn, and their labels."""
    import numpy as np
    import torch

    together = np.stack(images, axis=1)  # (count, classes, 3, 32, 32)
    labels = torch.arange(len(images)).repeat(len(together))
    return torch.from_numpy(together.reshape(-1, *SHAPE)), labels


def describe(data: DataSet) -> str:
    """One line about a data set: its name, how many images of each kind, its classes and its digest's beginning."""
    kind = "drawn stand-in" if data.stand_in else "images"
    sizes = f"{len(data.train_labels)} to train on, {len(data.test_labels)} to test on"
    return f"{data.name}: {kind}, {sizes}; {len(data.classes)} classes ({', '.join(data.classes)}); {data.digest[:12]}"
