"""What each platform takes, by its own rules or somebody else's, and a package as each lays it out and starts it."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from grader.lms import packages
from grader.lms.autograders import AUTOGRADERS
from tests.tiny import Tiny

CANARY = "canary4711"
HIDDEN = f'''
import pytest
import torch


def test_{CANARY}_trained(trained):
    """{CANARY} needs training."""


@pytest.mark.requires("test_{CANARY}_trained")
def test_{CANARY}_after(student, trained):
    """{CANARY} needs what needs training."""


def test_{CANARY}(student, reference, seed):
    """{CANARY} is the title."""
    x = torch.rand(3, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(student.run("double", x), reference.run("double", x)), "{CANARY} is wrong."
'''
CHECKS = {
    "test_small": "{ points = 1 }",
    f"test_{CANARY}": '{ points = 3, visibility = "hidden" }',
    f"test_{CANARY}_trained": '{ points = 2, visibility = "hidden" }',
    f"test_{CANARY}_after": '{ points = 5, visibility = "hidden" }',
}


def with_canaries(folder: Path) -> Tiny:
    """The small assignment, everything hidden of it marked with the canary."""
    solution = f"SECRET = '{CANARY}'\ndef double(x):\n    return 2 * x\n"
    return Tiny(folder, checks=CHECKS, hidden=HIDDEN, solution=solution, wall_seconds=60).write()


def packed(tiny: Tiny, platform: str, **changes: Any) -> zipfile.ZipFile:
    data = packages.build(AUTOGRADERS[platform], tiny.load(), tiny.reference, **changes)
    return zipfile.ZipFile(io.BytesIO(data))


def unpacked(archive: zipfile.ZipFile, folder: Path) -> Path:
    """As `unzip` does it, modes included."""
    for info in archive.infolist():
        path = Path(archive.extract(info, folder))
        path.chmod(stat.S_IMODE(info.external_attr >> 16))
    return folder


def files_of(archive: zipfile.ZipFile, folder: Path) -> dict[str, bytes]:
    """All files of a package, those in its tar too."""
    root = unpacked(archive, folder / "all")
    for path in list(root.rglob("*.tar")):
        with tarfile.open(path) as tar:
            tar.extractall(path.parent, filter="data")
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file() and p.suffix != ".tar"}


def started(command: tuple[str, ...], root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A platform starts the command; nothing of this checkout is in its environment."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST", "COV"))}
    given = {"CLASSROOM": "c", "ASSIGNMENT": "a", "OWNER": "ann", "SUBMISSION_TAG": "submit/1-ab", "COMMIT_URL": "u"}
    env = {**kept, **given, "AUTOGRADER_ROOT": str(root), "AUTOGRADER_PYTHON": sys.executable, **environment}
    first = str(root / command[0]) if (root / command[0]).is_file() else command[0]
    return subprocess.run(
        [first, *command[1:]], cwd=root, env=env, capture_output=True, text=True, check=False, timeout=250
    )


WHEN = "2026-03-01T10:00:00.000000-08:00"


def gradescope_metadata(created: str = "2026-03-01T09:00:00.0-08:00", own: str | None = None) -> dict[str, Any]:
    """As Gradescope's own sample, with the per-user dates that it really sends."""
    dates = {"release_date": "2026-02-01T00:00:00.0-08:00", "due_date": own or WHEN, "late_due_date": None}
    user = {"email": "a@x.edu", "id": 5, "name": "Ann", "sid": "42", "sections": ["A"], "assignment": dates}
    theirs = {**dates, "due_date": WHEN, "group_size": None, "group_submission": False, "id": 3, "course_id": 1}
    theirs |= {"title": "CNN", "total_points": "4.0", "outline": [{"id": 1, "weight": "4.0"}]}
    before = [{"id": 1, "submission_time": WHEN, "score": "2.0", "autograder_error": False, "results": {}}]
    return {
        "id": 9, "created_at": created, "assignment": theirs, "submission_method": "upload", "users": [user],
        "previous_submissions": before,
    }  # fmt: skip


def valid(results: dict[str, Any]) -> dict[str, Any]:
    """Checked by zucchini's models of Gradescope's form (Georgia Tech); they want scores as text."""
    output = pytest.importorskip("zucchini.gradescope.output")
    told = {**results, "tests": [{k: str(v) if "score" in k else v for k, v in t.items()} for t in results["tests"]]}
    checked = output.GradescopeOutput.model_validate({**told, "score": str(results["score"])}, strict=True)
    assert [t.max_score for t in checked.tests] == [str(t["max_score"]) for t in results["tests"]]
    return results


def prairielearn_takes(text: str) -> dict[str, Any]:
    """The rules of PrairieLearn's makeGradingResult (externalGraderCommon.ts), and the bounds that it forgets."""

    def no_constant(name: str) -> None:
        raise ValueError(f"{name} cannot be parsed")

    results = json.loads(text, parse_constant=no_constant)
    assert type(results["gradable"]) is bool
    assert type(results["score"]) in (int, float)
    assert 0 <= results["score"] <= 1
    assert isinstance(results.get("message", ""), str)
    for test in results["tests"]:
        assert {type(test[k]) for k in ("points", "max_points")} <= {int, float}
        assert {type(test[k]) for k in ("name", "message")} == {str}
    assert len(text.encode()) <= 1_000_000
    return results


def autolab_takes(printed: str) -> dict[str, float]:
    """As parseAutoresult of Autolab reads it: the last line, with every word before a colon put into quotes first."""
    line = printed.rstrip("\n").split("\n")[-1]
    return dict(json.loads(re.sub(r"([a-zA-Z0-9]+):", r'"\1":', line))["scores"])


MOMENT = r"^\d{4}-\d{2}-\d{2}T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$"
TEXT = {"type": "string", "minLength": 1}
WHOLE = {"type": "integer", "minimum": 0}
# Written after foundation50/classroom50, schemas/result-v1.schema.json.
RESULT_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": [
        *("schema", "classroom", "assignment", "assignment_type", "owner", "submission", "commit", "release"),
        *("review", "datetime", "score", "max-score", "tests"),
    ],
    "properties": {
        **dict.fromkeys(["classroom", "assignment", "owner", "commit", "release", "review"], TEXT),
        "schema": {"const": "classroom50/result/v1"},
        "assignment_type": {"enum": ["individual", "group"]},
        "submission": {"type": "string", "pattern": "^submit/"},
        "datetime": {"type": "string", "pattern": MOMENT},
        "graded_at": {"type": "string", "pattern": MOMENT},
        "score": WHOLE,
        "max-score": WHOLE,
        "tests": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["test-name", "passed", "score", "max-score"],
                "properties": {"test-name": TEXT, "passed": {"type": "boolean"}, "score": WHOLE, "max-score": WHOLE},
            },
        },
    },
}


def submitty_takes(text: str) -> dict[str, Any]:
    """The form of its documentation: a share of the points, and messages of four kinds."""
    results = json.loads(text)
    assert results["status"] == "success"
    assert 0 <= results["data"]["score"] <= 1
    for message in results["data"]["message"]:
        assert message["status"] in ("information", "failure", "warning", "success")
        assert isinstance(message["message"], str)
    return dict(results["data"])


def vpl_takes(printed: str) -> tuple[str, list[str]]:
    """The grade and the lines of feedback, as mod_vpl's find_proposedgrade and its comments' rules read them."""
    grade = re.findall(r"^Grade :=>>(.*)$", printed, re.MULTILINE)[-1].strip()
    inside, feedback = False, []
    for line in printed.split("\n"):
        if line.rstrip() in ("<|--", "--|>"):
            inside = line.startswith("<")
        elif inside:
            feedback.append(line)
    return grade, feedback


@dataclass(frozen=True)
class Place:
    """How a platform runs a package: `lay` puts package and submission below a root, `command` is started there.

    `folder` is where the submission lies when the engine reads it, `package` where the engine lies. `told` reads the
    points off what the platform is given: its root, and what was printed.
    """

    lay: Callable[[zipfile.ZipFile, Path, bytes], None]
    command: tuple[str, ...]
    folder: str
    package: str
    told: Callable[[Path, str], float]


def _gradescope(archive: zipfile.ZipFile, root: Path, source: bytes) -> None:
    unpacked(archive, root / "source")
    _put(root / "submission/hw.py", source)
    _put(root / "submission_metadata.json", json.dumps(gradescope_metadata("2026-03-01T12:13:20-08:00")).encode())


def _prairielearn(archive: zipfile.ZipFile, root: Path, source: bytes) -> None:
    unpacked(archive, root)
    _put(root / "data/data.json", json.dumps({"correct_answers": {"x": CANARY}}).encode())
    _put(root / "student/hw.py", source)


def _autolab(archive: zipfile.ZipFile, root: Path, source: bytes) -> None:
    unpacked(archive, root)
    (root / "autograde-Makefile").rename(root / "Makefile")
    _put(root / "a@x.edu_1_hw.py", source)


def _checkout(archive: zipfile.ZipFile, root: Path, source: bytes) -> None:
    unpacked(archive, root)
    _put(root / "result.json", b'{"score": 1000}')
    _put(root / "hw.py", source)


def _submitty(archive: zipfile.ZipFile, root: Path, source: bytes) -> None:
    """As its documentation draws tmp_work: the validators' files at the top, the submission in test01."""
    unpacked(archive, root / "unpacked")
    shutil.copytree(root / "unpacked/config/custom_validation_code", root, dirs_exist_ok=True)
    shutil.rmtree(root / "unpacked")
    known = {"testcase_prefix": "test01/", "username": "ada", "actual_file": "STDOUT.txt"}
    _put(root / "custom_validator_input.json", json.dumps(known).encode())
    _put(root / "test01/hw.py", source)
    _put(root / "test01/.submit.timestamp", b"2026-03-01 10:00:00-0500 America/New_York")


def _vpl(archive: zipfile.ZipFile, root: Path, source: bytes) -> None:
    """With folders of our names handed in, and Moodle's scale from 0 to 11."""
    unpacked(archive, root)
    _put(root / "vpl_environment.sh", b"export VPL_GRADEMIN=0 VPL_GRADEMAX=11\n")
    _put(root / "torchgrader/engine/torch.py", b"raise SystemExit('a module of the student's')")
    _put(root / "hw.py", source)


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _result(root: Path, name: str) -> str:
    return (root / name).read_text(encoding="utf-8")


def _of_classroom50(root: Path, _printed: str) -> float:
    results = json.loads(_result(root, "result.json"))
    jsonschema.Draft202012Validator(RESULT_SCHEMA).validate(results)
    return float(results["score"]) / 100


PLACES = {
    "gradescope": Place(
        _gradescope,
        ("source/run_autograder",),
        "submission",
        "source",
        lambda root, _: float(valid(json.loads(_result(root, "results/results.json")))["score"]),
    ),
    "prairielearn": Place(
        _prairielearn,
        ("tests/run.sh",),
        "student",
        "tests",
        lambda root, _: round(prairielearn_takes(_result(root, "results/results.json"))["score"] * 11, 4),
    ),
    "autolab": Place(
        _autolab,
        ("make",),
        "handin",
        "torchgrader",
        lambda root, printed: sum(autolab_takes(printed or _result(root, "result.txt")).values()),
    ),
    "classroom50": Place(_checkout, ("autograder/autograder.py",), ".", "autograder", _of_classroom50),
    "submitty": Place(
        _submitty,
        (sys.executable, "run_torchgrader.py"),
        "test01",
        "torchgrader",
        lambda root, _: round(submitty_takes(_result(root, "validation_results.json"))["score"] * 11, 4),
    ),
    "vpl": Place(
        _vpl,
        ("bash", "-c", "./vpl_evaluate.sh && ./vpl_execution"),
        "handin",
        "torchgrader",
        lambda root, printed: float(vpl_takes(printed or _result(root, "result.txt"))[0]),
    ),
}
