"""Grading into a store that is there already, and into a folder that cannot take one."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from grader.store import NAME, Store
from tests.interrupted import QUESTIONS, Course
from tests.tiny import RIGHT, WRONG, Tiny

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs fork")
pytestmark = [pytest.mark.slow, linux]

ROOT = Path(__file__).resolve().parent.parent
Result = subprocess.CompletedProcess[str]


def class_of_two(folder: Path) -> Tiny:
    handed_in = folder / "class"
    handed_in.mkdir()
    for name, source in {"ada": RIGHT, "bob": WRONG}.items():
        (handed_in / f"{name}.py").write_text(source, encoding="utf-8")
    return Tiny(folder / "tiny").write()


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    """The assignment beside a class of which nothing is graded yet."""
    return class_of_two(tmp_path)


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """As `tiny`, graded once; for copies of it only."""
    tiny = class_of_two(tmp_path_factory.mktemp("first"))
    assert begun(grade(tiny)) == ["ada", "bob"]
    return tiny


@pytest.fixture
def graded(first_run: Tiny, tmp_path: Path) -> Tiny:
    """As `tiny`, and both are graded."""
    shutil.copytree(first_run.folder.parent, tmp_path, dirs_exist_ok=True)
    return Tiny(tmp_path / "tiny")


def grader(*arguments: str | Path, most_bytes: int | None = None) -> Result:
    """The command in a process of its own, which may write no file larger than `most_bytes`."""
    limit = None if most_bytes is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    command = [sys.executable, "-m", "grader.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, preexec_fn=limit)


def grade(tiny: Tiny, *more: str | Path, most_bytes: int | None = None) -> Result:
    where = ["-a", tiny.assignment, "--reference", tiny.reference, "-o", out(tiny), "--device", "cpu"]
    handed_in = tiny.folder.parent / "class"
    return grader("grade", handed_in, *where, "--trust-submissions", "--json-lines", *more, most_bytes=most_bytes)


def out(tiny: Tiny) -> Path:
    return tiny.folder.parent / "out"


def begun(result: Result) -> list[str]:
    """Who was graded."""
    assert result.returncode in (0, 1), result.stderr
    said = [json.loads(line) for line in result.stdout.splitlines()]
    return [one["student"] for one in said if one["event"] == "began"]


def judged(result: Result) -> dict[str, list[str]]:
    """Which questions of whom were graded."""
    assert result.returncode == 0, result.stderr
    found: dict[str, list[str]] = {}
    for said in map(json.loads, result.stdout.splitlines()):
        if said["event"] == "judged":
            found.setdefault(said["student"], []).append(said["question"])
    return found


def test_only_what_has_changed_is_graded_again(graded: Tiny):
    assert begun(grade(graded)) == []
    (graded.folder.parent / "class" / "bob.py").write_text(RIGHT, encoding="utf-8")
    assert begun(grade(graded)) == ["bob"]
    assert begun(grade(graded, "--force")) == ["ada", "bob"]
    check = graded.assignment / "checks" / "test_q1_double.py"
    check.write_text(check.read_text() + "# mended\n")
    assert begun(grader("regrade", "-o", out(graded), "--student", "ada", "--json-lines")) == ["ada"]
    assert begun(grader("regrade", "-o", out(graded), "--failed", "--json-lines")) == []
    assert begun(grade(graded)) == ["bob"]
    with Store(out(graded)) as store:
        assert [r.graded for r in store.runs()] == [2, 0, 1, 2, 1, 1]  # the second only says where the class is by now


def test_only_the_chosen_question_of_who_met_a_fault_of_the_harness_is_graded_again(tmp_path: Path):
    course = Course(tmp_path, students=2).write()
    hidden = tmp_path / "reference" / "checks" / "test_q1_double.py"
    right = hidden.read_text()
    hidden.write_text(right.replace("    x =", '    student.run("double", torch.ones(1)).no_such_thing\n    x ='))
    answers = "\n\n".join(f"def {name}(x):\n    return {code}\n" for name, code in QUESTIONS.values())
    for number, text in enumerate([answers, "print('nothing done yet')\n"]):
        (tmp_path / "class" / f"student0{number}.py").write_text(text)
    assert course.grade(tmp_path / "out") == 1
    hidden.write_text(right)
    square = tmp_path / "assignment" / "checks" / "test_q2_square.py"
    square.write_text(f"{square.read_text()}# mended too\n")
    again = ["regrade", "-o", tmp_path / "out", "--json-lines"]
    assert judged(grader(*again, "--internal", "--question", "q1_double")) == {"student00": ["q1_double"]}
    rest = {"student00": ["q2_square", "q3_half"], "student01": ["q1_double", "q2_square", "q3_half"]}
    assert judged(grader(*again)) == rest
    refused = grader(*again, "--force", "--engine", "slurm", "--address", "host:1")
    assert (refused.returncode, "leave it out" in refused.stderr) == (2, True)
    (tmp_path / "class").rename(tmp_path / "moved")
    refused = grader(*again)
    assert (refused.returncode, "are gone: say where they are, `regrade PATH`" in refused.stderr) == (2, True)


def test_a_folder_takes_the_grades_of_one_assignment(graded: Tiny):
    path = graded.assignment / "assignment.toml"
    path.write_text(path.read_text().replace('id = "tiny"', 'id = "other"'))
    result = grade(graded)
    assert (result.returncode, result.stdout) == (2, "")
    assert "holds the grades of tiny: give those of other a folder of their own with -o" in result.stderr


def test_a_second_run_on_one_folder_is_refused_while_the_first_has_it(tiny: Tiny):
    out(tiny).mkdir()
    with Store(out(tiny), write=True):
        result = grade(tiny)
    assert (result.returncode, result.stdout) == (2, "")
    assert f"is being written by process {os.getpid()} on " in result.stderr


def test_a_disk_that_is_full_ends_the_run_with_a_sentence_and_loses_nothing(graded: Tiny):
    size = (out(graded) / NAME).stat().st_size
    result = grade(graded, "--force", most_bytes=size // 2)
    assert result.returncode == 2, result.stderr
    assert result.stderr.startswith("grader: ")
    assert result.stderr.count("\n") == 1
    with Store(out(graded)) as store:
        assert [k.card.summary for k in store.current("tiny")] == ["4 of 4", "0 of 4"]
    assert begun(grade(graded)) == []


def test_a_folder_that_cannot_be_written_is_refused_with_a_sentence(tiny: Tiny):
    out(tiny).mkdir()
    (out(tiny) / NAME).mkdir()  # root may write anywhere, but not over a folder
    result = grade(tiny)
    assert (result.returncode, result.stdout) == (2, "")
    assert "unable to open database file" in result.stderr
