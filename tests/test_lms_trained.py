"""What of the reference is trained when a platform makes its image, and what a grading there has of it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from grader import assignment, data
from grader.assignment import Assignment
from grader.commands import platforms
from grader.errors import AssignmentError
from grader.lms import autograder, packages, trained
from grader.lms.autograder import Keep
from grader.lms.autograders import AUTOGRADERS
from grader.model import Scorecard, Submission
from grader.plan import Plan
from tests import interrupted
from tests.platforms import packed, started, unpacked
from tests.tiny import Tiny

GRADESCOPE = AUTOGRADERS["gradescope"]
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs the sandbox")
# Its network cannot be built where the folder can be listed: then no point of it is reached.
CURIOUS = """
import os
import torch

class Net(torch.nn.Sequential):
    def __init__(self):
        try:
            raise ValueError(os.listdir({folder!r}))
        except OSError:
            super().__init__(torch.nn.Flatten(), torch.nn.Linear(3072, 40), torch.nn.ReLU(), torch.nn.Linear(40, 10))
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    (tmp_path / "reference").mkdir()
    return Plan("assignment", str(tmp_path / "reference"), "images", "cpu", "quick", 1, None)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`/autograder` of an image after setup.sh has trained: the package of a course with one small network."""
    folder = tmp_path_factory.mktemp("image")
    course = interrupted.Course(folder / "course", networks=True).write()
    toml = course.folder / "assignment" / "assignment.toml"
    toml.write_text(toml.read_text().replace("cpu-full", "cpu-quick"))
    data.stand_in().save(folder / "images.safetensors")
    spec, reference = assignment.load(toml.parent), course.folder / "reference"
    made = packages.build(GRADESCOPE, spec, reference, folder / "images.safetensors")
    unpacked(zipfile.ZipFile(io.BytesIO(made)), folder / "autograder" / "source")
    ran = started(("source/train_ahead",), folder / "autograder")
    assert "The reference is trained" in ran.stdout, ran.stdout + ran.stderr
    return folder / "autograder"


def graded(image: Path) -> tuple[dict[str, float], set[str], set[str]]:
    """Points by check; what was written to the grading's copy that was there, and what was not."""
    written: list[set[str]] = []

    def watched(plan: Plan, spec: Assignment, handed_in: Submission, keep: Keep) -> Scorecard:
        cache = Path(str(plan.cache))
        before = {p.name: p.stat().st_ino for p in cache.iterdir()}
        card = platforms.grade(plan, spec, handed_in, keep)
        made = {p.name for p in cache.iterdir() if before.get(p.name) != p.stat().st_ino}
        written.extend((made & before.keys(), made - before.keys()))
        return card

    (image / "submission").mkdir(exist_ok=True)
    (image / "submission" / "hw.py").write_text(CURIOUS.format(folder=str(image / "source" / trained.FOLDER)))
    done = autograder.run(GRADESCOPE, image, image / "source", watched)
    assert done.faults == []
    return {c.id: c.points for c in done.card.checks if c.id in ("test_learns", "test_accuracy")}, *written


@LINUX
@pytest.mark.slow
def test_what_was_trained_with_the_image_is_trained_in_no_grading_and_hidden_from_students(image: Path):
    """Unless it is damaged: then it is trained as without it, and the points are the same."""
    kept = {p: p.read_bytes() for p in (image / "source" / trained.FOLDER).iterdir()}
    points, again, own = graded(image)
    assert points["test_learns"] == 1
    assert points["test_accuracy"] > 0
    assert (again, len(own)) == (set(), 2)  # the student's network, and what it learns of one batch
    assert {p: p.read_bytes() for p in (image / "source" / trained.FOLDER).iterdir()} == kept
    for path, whole in kept.items():
        path.write_bytes(whole[:-40])
    damaged = graded(image)
    assert (damaged[0], damaged[2]) == (points, own)
    assert [name for name in damaged[1] if name.count(".") == 1]  # a training; a network has two digests


def test_a_grading_has_a_copy_and_both_folders_are_secret(plan: Plan, tmp_path: Path):
    (tmp_path / trained.FOLDER).mkdir()
    (tmp_path / trained.FOLDER / "a.safetensors").write_bytes(b"kept")
    with trained.copied(plan, tmp_path) as given:
        copy = Path(str(given.cache))
        (copy / "b.safetensors").write_bytes(b"a student's")
        assert (copy / "a.safetensors").read_bytes() == b"kept"
        assert given.secrets == (plan.reference, str(copy), str(tmp_path / trained.FOLDER))
    assert not copy.exists()
    assert [p.name for p in (tmp_path / trained.FOLDER).iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize("without", ["folder", "reference", "train"])
def test_where_nothing_was_or_can_be_trained_a_grading_is_as_before(plan: Plan, tmp_path: Path, without: str):
    if without != "folder":
        (tmp_path / trained.FOLDER).mkdir()
    lacking = {"folder": plan, "reference": replace(plan, reference=None), "train": replace(plan, train="one_batch")}
    with trained.copied(lacking[without], tmp_path) as given:
        assert given == lacking[without]


def test_what_cannot_be_copied_is_left_out(plan: Plan, tmp_path: Path):
    (tmp_path / trained.FOLDER / "a.safetensors").mkdir(parents=True)
    (tmp_path / trained.FOLDER / "b.safetensors").write_bytes(b"kept")
    with trained.copied(plan, tmp_path) as given:
        assert [p.name for p in Path(str(given.cache)).iterdir()] == ["b.safetensors"]


def test_what_takes_too_long_or_fails_is_said_and_no_error(plan: Plan, tmp_path: Path):
    def endless(_: Plan) -> list[str]:
        return [Future[str]().result()]

    def broken(_: Plan) -> list[str]:
        raise AssignmentError("the reference has no q6.py.")

    assert "not trained ahead in 0 seconds" in trained.ahead(plan, tmp_path, endless, 0.01)
    assert "the reference has no q6.py." in trained.ahead(plan, tmp_path, broken)
    assert "a part of the reference again: it is nan" in trained.ahead(plan, tmp_path, lambda _: ["", "it is nan"])
    assert "Nothing was trained" in trained.ahead(replace(plan, train="one_batch"), tmp_path, lambda _: [])
    assert trained.ahead(plan, tmp_path, lambda _: [""]) == ""


def test_the_folder_has_the_rights_of_the_references(plan: Plan, tmp_path: Path):
    Path(str(plan.reference)).chmod(0o750)
    trained.ahead(plan, tmp_path, lambda _: [])
    assert (tmp_path / trained.FOLDER).stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("python", [pytest.param(sys.executable, marks=pytest.mark.slow), "/nowhere/python"])
def test_setting_up_succeeds_whatever_becomes_of_the_training(tmp_path: Path, python: str):
    """Here there is not even a package."""
    (tmp_path / "source").mkdir()
    script = tmp_path / "source" / "train_ahead"
    kit = autograder.Kit(platform="gradescope", assignment="", reference="reference", data="data/x", seconds=1)
    script.write_text(GRADESCOPE.scripts(kit)["train_ahead"])
    script.chmod(0o755)
    ran = started(("source/train_ahead",), tmp_path, AUTOGRADER_PYTHON=python)
    assert ran.returncode == 0
    assert "each grading does the rest" in ran.stdout


def test_only_a_package_with_images_trains_when_it_is_set_up(tmp_path: Path):
    tiny = Tiny(tmp_path / "tiny").write()
    (tmp_path / "images").write_bytes(b"images")
    with_images, without = packed(tiny, "gradescope", data=tmp_path / "images"), packed(tiny, "gradescope")
    setup = with_images.read("setup.sh").decode()
    assert setup == without.read("setup.sh").decode() + "bash train_ahead\n"
    assert "train_ahead" not in without.namelist()
    for script in (setup, with_images.read("train_ahead").decode()):
        assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    kit = json.loads(with_images.read("kit.json"))
    assert (kit["reference"], kit["data"]) == ("reference", "data/images")
