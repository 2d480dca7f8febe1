"""What people have (torchvision's files, parquet, folders of images) -> a data set in one file."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader.data.choice import Part, chosen, parted
from grader.data.dataset import SHAPE, DataSet, checked
from grader.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

WANTED = "wanted a folder of class folders such as cat/1.png, or of train and test with these in them."

Parts = dict[str, Part]


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
    train = chosen(parts["train"], train_per_class, salt)
    test = chosen(parts["test"], test_per_class, salt)
    name = "CIFAR-10" if classes == CIFAR10 else Path(source).name
    found = DataSet(name, classes, *train, *test, source=kind, salt=salt)
    checked(found, Path(source))
    found.save(out)
    return found


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
            raise DataError(
                f"CIFAR-10 could not be fetched ({e}). Prepare the file where there is a network, and copy it here."
            ) from e
        except RuntimeError as e:
            raise DataError(f"{root} is incomplete or corrupt. Delete it and fetch it again.") from e
        images = np.ascontiguousarray(archive.data.transpose(0, 3, 1, 2))
        parts[name] = Part(tuple(archive.classes), images, np.asarray(archive.targets, np.int64))
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


def _rows(tables: list[Any]) -> Part:
    import numpy as np

    images, labels = [], []
    for table in tables:
        images += [_decoded(row["bytes"]) for row in table.column("img").to_pylist()]
        labels += table.column("label").to_pylist()
    if min(labels) < 0:
        raise ValueError(f"label {min(labels)}: an image has no class")
    return Part(_names(tables[0], labels), np.stack(images), np.asarray(labels, np.int64))


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
    return parted(_class_folders(path))


def _class_folders(path: Path) -> Part:
    import numpy as np

    folders = sorted(p for p in path.iterdir() if p.is_dir())
    images, labels = [], []
    for label, folder in enumerate(folders):
        files = sorted(p for p in folder.iterdir() if re.fullmatch(r"\.(png|jpe?g)", p.suffix.lower()))
        if not files:
            raise DataError(f"{folder} has no .png or .jpg images: {WANTED}")
        images += [_decoded(p.read_bytes(), p) for p in files]
        labels += [label] * len(files)
    if not images:
        raise DataError(f"{path} has no class folders with images in them: {WANTED}")
    return Part(tuple(p.name for p in folders), np.stack(images), np.asarray(labels, np.int64))


def _decoded(data: bytes, path: Path | None = None) -> NDArray[np.uint8]:
    """An encoded image as (3, 32, 32) bytes."""
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(data)).convert("RGB")
    except (UnidentifiedImageError, OSError) as e:
        raise DataError(f"{path or 'an image'} cannot be decoded: {e}") from e
    if image.size != SHAPE[1:]:
        raise DataError(
            f"{path or 'an image'} is {image.width} x {image.height}; wanted 32 x 32: resize your images first."
        )
    return np.asarray(image).transpose(2, 0, 1)
