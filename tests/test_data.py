from __future__ import annotations

import io
import json
import pickle
import subprocess
import sys
import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from grader import data
from grader.data import CIFAR10, DataSet
from grader.errors import DataError

STAND_IN_DIGEST = "c4ba928346ebb67d7b0834b6e6e6b2d1a46c193084e5f12119b60f08a9e5e406"


def picture(label: int, number: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng([label, number]).integers(0, 256, (32, 32, 3), np.uint8)


def class_folders(root: Path, images: int, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for number in range(images):
            Image.fromarray(picture(label, number)).save(root / name / f"{number}.png")
    return root


def test_the_stand_in_is_the_same_on_every_machine():
    assert data.stand_in(20, 10).digest == STAND_IN_DIGEST


def test_the_stand_in_says_what_it_is_and_is_balanced():
    drawn = data.open_default(None)
    assert drawn.stand_in
    assert drawn.name == "stand-in (drawn, not CIFAR-10)"
    assert not set(drawn.classes) & set(CIFAR10)
    assert drawn.train_labels.bincount().tolist() == [300] * 10
    assert drawn.train_images.shape == (3000, 3, 32, 32)


def test_another_seed_draws_other_images():
    assert not torch.equal(data.stand_in(2, 1, seed=1).train_images, data.stand_in(2, 1, seed=2).train_images)


@given(st.integers(1, 9), st.integers(1, 9))
@settings(max_examples=20)
def test_subsets_are_balanced_and_nested(drawn: DataSet, small: int, more: int):
    large, nested = drawn.subset(small + more, 3), drawn.subset(small, 3)
    assert nested.train_labels.bincount().tolist() == [small] * 10
    assert torch.equal(large.subset(small, None).train_images, nested.train_images)
    assert nested.test_labels.bincount().tolist() == [3] * 10


def test_a_subset_of_more_than_there_is_is_all_there_is(drawn: DataSet):
    assert drawn.subset(10_000, None).digest == drawn.digest


def test_a_saved_set_is_loaded_as_it_was(drawn: DataSet, tmp_path: Path):
    drawn.save(tmp_path / "a.safetensors")
    loaded = data.open_default(tmp_path / "a.safetensors")
    assert (loaded.digest, loaded.name, loaded.classes) == (drawn.digest, drawn.name, drawn.classes)
    assert (loaded.stand_in, loaded.source) == (True, "drawn")
    assert torch.equal(loaded.test_images, drawn.test_images)


def test_saving_twice_gives_the_same_bytes_and_leaves_nothing_else(drawn: DataSet, tmp_path: Path):
    paths = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for path in paths:
        drawn.save(path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sorted(tmp_path.iterdir()) == paths


@pytest.mark.parametrize("keep", [0, 7, 100, 20_000])
def test_a_truncated_file_is_refused(drawn: DataSet, tmp_path: Path, keep: int):
    path = tmp_path / "a.safetensors"
    drawn.save(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"a\.safetensors is corrupt"):
        data.load(path)


def test_a_changed_pixel_is_noticed(drawn: DataSet, tmp_path: Path):
    path = tmp_path / "a.safetensors"
    drawn.save(path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="digest does not match"):
        data.load(path)


def test_a_missing_file_and_another_file_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="cannot be read"):
        data.load(tmp_path / "none.safetensors")
    data.save_tensors(tmp_path / "other.safetensors", {"x": torch.zeros(2)}, {"name": "x"})
    with pytest.raises(DataError, match="is not a data set"):
        data.load(tmp_path / "other.safetensors")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_images": torch.zeros(4, 3, 28, 28, dtype=torch.uint8)}, "wanted \\(N, 3, 32, 32\\)"),
        ({"test_images": torch.zeros(4, 3, 32, 32)}, "torch.float32"),
        ({"test_labels": torch.zeros(3, dtype=torch.int64)}, "\\(3,\\) test labels for 4 images"),
        ({"train_labels": torch.tensor([0, 1, 2, 0])}, "outside 0 to 1"),
        ({"train_labels": torch.tensor([0, 1, -1, 0])}, "outside 0 to 1"),
    ],
)
def test_tensors_of_another_shape_or_kind_are_refused(tmp_path: Path, changes: dict[str, Any], message: str):
    images, labels = torch.zeros(4, 3, 32, 32, dtype=torch.uint8), torch.tensor([0, 1, 0, 1])
    parts = {"train_images": images, "train_labels": labels}
    parts |= {"test_images": images.clone(), "test_labels": labels.clone(), **changes}
    DataSet("n", ("a", "b"), **parts).save(tmp_path / "a.safetensors")
    with pytest.raises(DataError, match=message):
        data.load(tmp_path / "a.safetensors")


def test_class_folders_become_a_balanced_set(tmp_path: Path):
    for part, images in (("train", 6), ("test", 3)):
        class_folders(tmp_path / "in" / part, images)
    made = data.prepare(str(tmp_path / "in"), tmp_path / "out.safetensors", 4, None, salt="s")
    assert made.classes == ("cat", "dog")
    assert made.train_labels.tolist() == [0, 1] * 4
    assert made.test_labels.bincount().tolist() == [3, 3]
    assert data.load(tmp_path / "out.safetensors").digest == made.digest
    known = {picture(0, i).transpose(2, 0, 1).tobytes() for i in range(6)}
    assert {image.numpy().tobytes() for image in made.train_images[::2]} <= known


def test_the_choice_depends_on_pixels_and_salt_not_on_file_names(tmp_path: Path):
    class_folders(tmp_path / "a", 12)
    class_folders(tmp_path / "b", 12)
    for folder in (tmp_path / "b" / "cat", tmp_path / "b" / "dog"):
        for path in folder.iterdir():
            path.rename(folder / f"{'abcdefghijkl'[11 - int(path.stem)]}.png")
    made = {
        (source, salt): data.prepare(str(tmp_path / source), tmp_path / f"{source}{salt}", 5, 2, salt)
        for source, salt in (("a", "1"), ("b", "1"), ("a", "2"))
    }
    assert torch.equal(made["a", "1"].train_images, made["b", "1"].train_images)
    assert not torch.equal(made["a", "1"].train_images, made["a", "2"].train_images)


def test_a_folder_without_parts_is_parted_with_no_image_in_both(tmp_path: Path):
    made = data.prepare(str(class_folders(tmp_path / "in", 12)), tmp_path / "out", None, None, salt="")
    train, test = ({i.numpy().tobytes() for i in images} for images in (made.train_images, made.test_images))
    assert (len(train), len(test), train & test) == (20, 4, set())


def test_what_a_folder_lacks_is_said(tmp_path: Path):
    class_folders(tmp_path / "half" / "train", 2)
    class_folders(tmp_path / "small", 3)
    (tmp_path / "none").mkdir()
    (tmp_path / "bare" / "cat").mkdir(parents=True)
    for folder, message in {
        "half": "only one of the folders",
        "small": "at least 6 images",
        "none": "no class folders",
        "bare": "no .png or .jpg",
        "absent": "there is no",
    }.items():
        with pytest.raises(DataError, match=message):
            data.prepare(str(tmp_path / folder), tmp_path / "out", None, None, "")
    assert not (tmp_path / "out").exists()


def test_more_images_than_a_class_has_cannot_be_asked_for(tmp_path: Path):
    class_folders(tmp_path / "in", 12)
    (tmp_path / "in" / "dog" / "0.png").unlink()
    (tmp_path / "in" / "dog" / "1.png").unlink()
    with pytest.raises(DataError, match="class dog has 9 images; 10 were asked for"):
        data.prepare(str(tmp_path / "in"), tmp_path / "out", 10, None, "")


def test_images_of_another_size_or_no_images_are_named(tmp_path: Path):
    class_folders(tmp_path / "in", 6)
    Image.new("RGB", (40, 30)).save(tmp_path / "in" / "dog" / "0.png")
    with pytest.raises(DataError, match=r"0\.png is 40 x 30; wanted 32 x 32"):
        data.prepare(str(tmp_path / "in"), tmp_path / "out", None, None, "")
    (tmp_path / "in" / "dog" / "0.png").write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"0\.png cannot be decoded"):
        data.prepare(str(tmp_path / "in"), tmp_path / "out", None, None, "")


@pytest.mark.slow
def test_real_parquet_files_are_read(cifar_rows: Path, tmp_path: Path):
    made = data.prepare(str(cifar_rows), tmp_path / "a", 20, 10, salt="x")
    again = data.prepare(str(cifar_rows / "cifar10-test.parquet"), tmp_path / "b", 20, 10, salt="x")
    assert made.classes == CIFAR10
    assert (made.name, made.source) == ("CIFAR-10", "parquet")
    assert made.train_labels.bincount().tolist() == [20] * 10
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert again.digest == made.digest


def parquet(path: Path, columns: dict[str, list[Any]], note: dict[str, Any] | None = None) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pa.table(columns)
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(note)}) if note else table, path)


def encoded(label: int, number: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture(label, number)).save(file, "PNG")
    return file.getvalue()


def test_parquet_keeps_pixels_and_takes_the_names_that_are_noted(tmp_path: Path):
    note = {"info": {"features": {"label": {"names": ["cat", "dog"]}}}}
    rows = {"img": [{"bytes": encoded(label, 0)} for label in (0, 1)], "label": [0, 1]}
    parquet(tmp_path / "train-0.parquet", rows, note)
    parquet(tmp_path / "test-0.parquet", rows, note)
    made = data.prepare(str(tmp_path), tmp_path / "out", None, None, "")
    assert made.classes == ("cat", "dog")
    assert np.array_equal(made.train_images[1].permute(1, 2, 0).numpy(), picture(1, 0))


def test_what_parquet_files_lack_is_said(tmp_path: Path):
    parquet(tmp_path / "train.parquet", {"img": [{"bytes": encoded(0, 0)}], "label": [0]})
    with pytest.raises(DataError, match='no parquet file with "test" in its name'):
        data.prepare(str(tmp_path / "train.parquet"), tmp_path / "out", None, None, "")
    parquet(tmp_path / "test.parquet", {"pixels": [1], "label": [0]})
    with pytest.raises(DataError, match=r"test\.parquet cannot be read as parquet with columns img and label"):
        data.prepare(str(tmp_path), tmp_path / "out", None, None, "")
    (tmp_path / "train.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(DataError, match=r"train\.parquet cannot be read"):
        data.prepare(str(tmp_path), tmp_path / "out", None, None, "")


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "train.parquet").touch()
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(DataError, match=r"torchgrader\[parquet\]"):
        data.prepare(str(tmp_path), tmp_path / "out", None, None, "")


def batches(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small folder in torchvision's form, whose sums torchvision is told to expect."""
    from torchvision.datasets import cifar
    from torchvision.datasets.utils import calculate_md5

    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    rows = {"data": np.stack([picture(c, 0).transpose(2, 0, 1).reshape(-1) for c in range(10)]), "labels": [*range(10)]}
    for name, content in {"one": rows, "batches.meta": {"label_names": list(CIFAR10)}}.items():
        (folder / name).write_bytes(pickle.dumps(content))
    for listed in ("train_list", "test_list"):
        monkeypatch.setattr(cifar.CIFAR10, listed, [["one", calculate_md5(folder / "one")]])
    monkeypatch.setattr(cifar.CIFAR10, "meta", {**cifar.CIFAR10.meta, "md5": calculate_md5(folder / "batches.meta")})
    return folder


@pytest.mark.slow
def test_a_folder_that_torchvision_has_filled_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = batches(tmp_path / "in", monkeypatch)
    for source in (folder, folder.parent):
        made = data.prepare(str(source), tmp_path / "out", None, None, "")
        assert (made.source, made.classes) == ("torchvision", CIFAR10)
        assert np.array_equal(made.train_images[7].permute(1, 2, 0).numpy(), picture(7, 0))


@pytest.mark.slow
def test_a_torchvision_folder_with_other_bytes_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = batches(tmp_path, monkeypatch)
    (folder / "one").write_bytes(pickle.dumps(print))
    with pytest.raises(DataError, match="incomplete or corrupt"):
        data.prepare(str(folder), tmp_path / "out", None, None, "")


@pytest.mark.slow
def test_without_a_network_fetching_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def offline(*args: object, **more: object) -> None:
        raise urllib.error.URLError("no route")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    with pytest.raises(DataError, match="could not be fetched"):
        data.prepare("torchvision", tmp_path / "out", None, None, "")


def test_importing_the_module_loads_neither_torch_nor_what_reads_files():
    loaded = "import sys, grader.data; print({'torch', 'numpy', 'pyarrow', 'PIL'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, check=True).stdout == b"set()\n"
