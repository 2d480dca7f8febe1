from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from grader import batch, scratch
from grader.plan import Plan
from grader.sandbox.blueprint import Trap
from grader.scratch import Scratch

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="folders are locked on Linux and macOS")

HOLDS = "import sys, time; from grader.scratch import Scratch; print(Scratch('run').path, flush=True); time.sleep(600)"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of temporary folders of our own, where one counts as old at once."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(scratch, "NEW_SECONDS", -1.0)
    return tmp_path


def test_a_folder_goes_when_it_is_closed(place: Path) -> None:
    with Scratch("run") as path:
        (path / "file").touch()
        assert list(place.iterdir()) == [path]
    assert list(place.iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_next_one(place: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        left = Path(process.stdout.readline().strip())
        with Scratch("run"):
            assert left.is_dir(), "its process lives"
        process.send_signal(signal.SIGKILL)
    assert left.is_dir()
    with Scratch("run") as path:
        assert list(place.iterdir()) == [path]


def test_a_new_folder_is_left_alone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / f"{scratch.PREFIX}run.new").mkdir()
    monkeypatch.setattr(scratch, "NEW_SECONDS", 60.0)
    scratch.remove_left_over()
    assert len(list(place.iterdir())) == 1


def test_a_link_and_what_has_another_name_are_left_alone(place: Path) -> None:
    (place / "kept").mkdir()
    (place / f"{scratch.PREFIX}run.link").symlink_to(place / "kept")
    scratch.remove_left_over()
    assert len(list(place.iterdir())) == 2


def test_a_grading_lies_in_such_a_folder(place: Path) -> None:
    with batch._scratch(Plan("tiny", None, None, "cpu", "quick", 1, None)) as plan:
        assert [str(path) for path in place.glob(f"{scratch.PREFIX}run.*")] == [plan.scratch]
    assert list(place.iterdir()) == []


def test_bait_lies_in_such_a_folder(place: Path) -> None:
    trap = Trap()
    assert Path(trap.bait.file).parent.name.startswith(f"{scratch.PREFIX}bait.")
    trap.close()
    assert list(place.iterdir()) == []
