from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from grader import __version__, cli
from tests.tiny import RIGHT, WRONG, Tiny

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs fork")
pytestmark = pytest.mark.slow

Result = subprocess.CompletedProcess[str]


def grader(*arguments: str | Path, cwd: Path | None = None) -> Result:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "grader.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, timeout=250)


Command = Callable[..., Result]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command in this process, for what is refused before another one is needed."""

    def run(*arguments: str | Path) -> Result:
        monkeypatch.setattr(sys, "argv", ["grader", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return Result([], int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return Tiny(tmp_path / "tiny").write()


def grade(tiny: Tiny, handed_in: Path, out: Path, *more: str | Path, by: Command = grader) -> Result:
    where = ["-a", tiny.assignment, "--reference", tiny.reference, "-o", out, "--device", "cpu", "--trust-submissions"]
    return by("grade", handed_in, *where, *more)


def class_of(folder: Path, **sources: str) -> Path:
    """A folder with one file a student."""
    folder.mkdir()
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    return folder


def zipped(path: Path, **files: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def refused(result: Result, *phrases: str) -> None:
    """Exit 2 and one line that says what was found, what was wanted and what to do; nothing was graded."""
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    assert result.stderr.startswith("grader: ")
    assert result.stderr.count("\n") == 1, result.stderr
    for phrase in phrases:
        assert phrase in result.stderr


# Each writes its fault into a folder and returns what is given to `grader grade`.
Fault = Callable[[Path], Path]


def empty(folder: Path) -> Path:
    return class_of(folder / "class")


def unreadable_zip(folder: Path) -> Path:
    (folder / "class.zip").write_bytes(b"PK\x03\x04 not a zip")
    return folder / "class.zip"


def escaping_zip(folder: Path) -> Path:
    return zipped(folder / "class.zip", **{"../outside.py": RIGHT})


def two_of_one_id(folder: Path) -> Path:
    handed_in = class_of(folder / "class", ada=RIGHT)
    class_of(handed_in / "ada", submission=WRONG)
    return handed_in


def a_picture(folder: Path) -> Path:
    (folder / "homework.png").write_bytes(b"\x89PNG")
    return folder / "homework.png"


@pytest.mark.parametrize(
    ("fault", "phrases"),
    [
        (empty, ["no submissions", "wanted"]),
        (unreadable_zip, ["class.zip", "zip"]),
        (escaping_zip, ["class.zip", "outside"]),
        (two_of_one_id, ["ada", "two"]),
        (a_picture, ["homework.png is not a submission", "wanted a .py"]),
        (lambda folder: folder / "nowhere", ["nowhere cannot be opened", "wanted a .py"]),
    ],
    ids=["empty", "unreadable zip", "zip that writes outside", "two of one id", "a picture", "nothing"],
)
def test_submissions_that_cannot_be_taken_are_refused(
    tiny: Tiny, tmp_path: Path, here: Command, fault: Fault, phrases: list[str]
):
    refused(grade(tiny, fault(tmp_path), tmp_path / "out", by=here), *phrases)
    assert not (tmp_path / "outside.py").exists()
    assert not (tmp_path.parent / "outside.py").exists()


def test_an_unknown_assignment_is_refused_with_those_there_are(tmp_path: Path, here: Command):
    handed_in = class_of(tmp_path / "class", ada=RIGHT)
    refused(here("grade", handed_in, "-a", "knitting"), "no assignment 'knitting'", "assignment.toml", "cnn-cifar10")


def test_a_missing_reference_is_refused_with_what_to_do(tiny: Tiny, tmp_path: Path, here: Command):
    handed_in = class_of(tmp_path / "class", ada=RIGHT)
    result = here("grade", handed_in, "-a", tiny.assignment, "--reference", tmp_path / "nowhere")
    refused(result, "no reference folder", str(tmp_path / "nowhere"), "--reference", "grader check")


def test_an_unknown_key_in_the_assignment_is_named_with_its_place(tiny: Tiny, tmp_path: Path, here: Command):
    toml = tiny.assignment / "assignment.toml"
    toml.write_text(toml.read_text().replace("[limits]", "[limits]\nwall_second = 3"))
    handed_in = class_of(tmp_path / "class", ada=RIGHT)
    refused(grade(tiny, handed_in, tmp_path / "out", by=here), str(toml), "unknown key limits.wall_second")


def test_a_data_file_that_is_not_there_is_refused(tiny: Tiny, tmp_path: Path, here: Command):
    handed_in = class_of(tmp_path / "class", ada=RIGHT)
    result = grade(tiny, handed_in, tmp_path / "out", "--data", tmp_path / "no.safetensors", by=here)
    refused(result, "no data file", "grader data prepare")


def test_a_corrupt_data_file_is_refused_and_nothing_is_graded(tiny: Tiny, tmp_path: Path):
    (tmp_path / "bad.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0 not json at all")
    handed_in = class_of(tmp_path / "class", ada=RIGHT)
    result = grade(tiny, handed_in, tmp_path / "out", "--data", tmp_path / "bad.safetensors")
    refused(result, "bad.safetensors", "Make it")
    assert not (tmp_path / "out" / "scorecards").exists()


def test_an_output_that_is_a_file_is_refused_before_anything_is_graded(tiny: Tiny, tmp_path: Path, here: Command):
    (tmp_path / "out").write_text("mine")
    result = grade(tiny, class_of(tmp_path / "class", ada=RIGHT), tmp_path / "out", by=here)
    refused(result, str(tmp_path / "out"), "-o")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_reference_without_checks_is_refused_before_anything_is_graded(tiny: Tiny, tmp_path: Path, here: Command):
    handed_in = class_of(tmp_path / "class", ada=RIGHT)
    result = here("grade", handed_in, "-a", tiny.assignment, "--reference", handed_in, "-o", tmp_path / "out")
    refused(result, str(handed_in), "no folder checks", "--reference")
    assert not (tmp_path / "out").exists()


def test_help_fits_and_is_offered_in_the_right_place(here: Command):
    alone, short = here(), here("-h")
    assert (alone.returncode, alone.stdout, short.returncode, short.stderr) == (2, "", 0, "")
    assert alone.stderr.startswith("Usage: grader")
    commands = short.stdout.partition("Commands:")[2]
    assert "..." not in commands
    refused(here("data", "prepare"), "Missing option '--source'. `grader data prepare --help` says how it is used.")
    refused(here("runs", "--lang"), "No such option: --lang. `grader runs --help`")


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (["grade"], "Missing argument"),
        (["grade", ".", "--recipe", "endless"], "'endless' is not one of"),
        (["grade", ".", "--jobs", "0"], "greater than or equal to 1"),
        (["grade", ".", "--shell"], "No such option"),
        (["knit"], "No such command"),
        (["data", "prepare", "--source", "nowhere", "-o", "x"], "no nowhere: wanted a folder"),
        (["data", "info", "nowhere"], "no data file nowhere: make one with `grader data prepare`"),
    ],
)
def test_a_command_that_is_wrong_is_explained(
    arguments: list[str], phrase: str, tmp_path: Path, here: Command, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    refused(here(*arguments), phrase)


def test_a_command_that_is_wrong_is_explained_by_the_process_as_well(tmp_path: Path):
    refused(grader("knit", cwd=tmp_path), "No such command")


def test_the_version_is_said():
    result = grader("--version")
    assert (result.returncode, result.stdout) == (0, f"torchgrader {__version__}\n")


@linux
def test_a_broken_notebook_is_its_students_and_the_others_are_graded(tiny: Tiny, tmp_path: Path):
    handed_in = class_of(tmp_path / "class", ada=RIGHT, bob=WRONG)
    (handed_in / "cy.ipynb").write_text('{"cells": [')
    result = grade(tiny, handed_in, tmp_path / "out")
    assert result.returncode == 0, result.stderr
    cards = {p.stem: json.loads(p.read_text()) for p in (tmp_path / "out" / "scorecards").glob("*.json")}
    assert {i: c["points"] for i, c in cards.items()} == {"ada": 4, "bob": 0, "cy": 0}
    messages = {check["message"] for question in cards["cy"]["questions"] for check in question["checks"]}
    assert any("JSON" in message for message in messages)
    assert (tmp_path / "out" / "index.html").is_file()
    assert (tmp_path / "out" / "students" / "cy.html").is_file()
    assert (tmp_path / "out" / "gradebook.csv").is_file()


@linux
def test_a_broken_check_makes_the_run_exit_with_1(tmp_path: Path):
    tiny = Tiny(
        tmp_path / "tiny", {"test_small": "{ points = 1 }"}, "def test_small(student):\n    1 / 0\n", ""
    ).write()
    result = grade(tiny, class_of(tmp_path / "class", ada=RIGHT), tmp_path / "out")
    assert (result.returncode, "INTERNAL" in result.stdout) == (1, True)


@linux
@pytest.mark.parametrize(("source", "code", "verdict"), [(RIGHT, 0, "PASSED"), (WRONG, 2, "FAILED")])
def test_a_student_checks_a_file_without_the_reference(
    tiny: Tiny, tmp_path: Path, source: str, code: int, verdict: str
):
    (tmp_path / "submission.py").write_text(source)
    result = grader("check", tmp_path / "submission.py", "-a", tiny.assignment, "--html", tmp_path / "page")
    assert (result.returncode, result.stderr) == (code, "")
    assert verdict in result.stdout
    assert "hidden checks are not part of this kit" in result.stdout
    assert len(list((tmp_path / "page").rglob("*.html"))) == 1


@linux
def test_a_student_can_check_without_a_fork(tiny: Tiny, tmp_path: Path):
    (tmp_path / "submission.py").write_text(RIGHT)
    result = grader("check", tmp_path / "submission.py", "-a", tiny.assignment, "--fresh")
    assert (result.returncode, "PASSED" in result.stdout) == (0, True)


def test_checking_a_class_is_refused_with_the_command_for_it(tiny: Tiny, tmp_path: Path, here: Command):
    handed_in = class_of(tmp_path / "class", ada=RIGHT, bob=WRONG)
    refused(here("check", handed_in, "-a", tiny.assignment), "holds 2 submissions", "grader grade")


def test_data_is_prepared_and_described(tmp_path: Path, here: Command):
    for label, name in enumerate(("cat", "dog")):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (32, 32), (label * 100, number, 0)).save(tmp_path / "images" / name / f"{number}.png")
    file = tmp_path / "small.safetensors"
    few = ["--train-per-class", "4", "--test-per-class", "1"]
    made = grader("data", "prepare", "--source", tmp_path / "images", "-o", file, *few)
    assert made.returncode == 0, made.stderr
    described = here("data", "info", file).stdout
    assert described in made.stdout
    assert "cat" in described
    assert "8" in described


def test_the_stand_in_is_named_as_one(here: Command):
    assert "stand-in" in here("data", "info").stdout


def test_what_nobody_expected_is_exit_3_with_something_to_paste(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    def broken(_: str) -> int:
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(cli, "application", broken)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 3
    (log,) = tmp_path.glob("grader-*.log")
    assert "nobody thought of this" in log.read_text()
    assert os.fspath(log) in capsys.readouterr().err.replace("\n", "")


@pytest.mark.parametrize(("command", "kept"), [("grade", "; what was graded is kept"), ("check", "")])
def test_an_interrupt_says_that_results_are_kept_where_they_are(
    command: str, kept: str, here: Command, monkeypatch: pytest.MonkeyPatch
):
    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "application", interrupted)
    result = here(command)
    assert (result.returncode, result.stderr) == (130, f"grader: interrupted{kept}\n")
