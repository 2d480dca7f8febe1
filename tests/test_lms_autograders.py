"""Autograders as a platform runs them: unpacked into its folders, started by its script, their results checked."""

from __future__ import annotations

import io
import json
import os
import re
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from grader.errors import SandboxUnavailable, UsageError
from grader.lms import autograder, on_gradescope, packages
from grader.lms.autograder import Kit, State, Task
from grader.lms.autograders import AUTOGRADERS
from grader.model import CheckResult, Judged, QuestionResult, Scorecard, Verdict, Visibility
from tests import gradebooks
from tests.tiny import RIGHT, WRONG, Tiny

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
SOUNDS = {"title": CANARY, "message": CANARY, "detail": CANARY, "id": f"test_{CANARY}", "visibility": Visibility.HIDDEN}
KIT = Kit(platform="gradescope", assignment="", reference="", seconds=1)
WHEN = "2026-03-01T10:00:00.000000-08:00"

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs the sandbox")


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    solution = f"SECRET = '{CANARY}'\ndef double(x):\n    return 2 * x\n"
    return Tiny(tmp_path / "tiny", checks=CHECKS, hidden=HIDDEN, solution=solution, wall_seconds=60).write()


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
    for path in list(root.glob("*.tar")):
        with tarfile.open(path) as tar:
            tar.extractall(root, filter="data")
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file() and p.suffix != ".tar"}


def started(script: Path, root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A platform starts the script; nothing of this checkout is in its environment."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST", "COV"))}
    env = {**kept, "AUTOGRADER_ROOT": str(root), "AUTOGRADER_PYTHON": sys.executable, **environment}
    return subprocess.run([script], cwd=root, env=env, capture_output=True, text=True, check=False, timeout=250)


# ------------------------------------------------------------------------------------------------------------ packages


@pytest.mark.parametrize("platform", AUTOGRADERS)
def test_a_package_is_the_same_each_time_and_fit_for_unix(tiny: Tiny, platform: str):
    archive, again = packed(tiny, platform), packed(tiny, platform)
    names = archive.namelist()
    assert [archive.read(n) for n in names] == [again.read(n) for n in again.namelist()]
    for name in names:
        text, mode = archive.read(name), archive.getinfo(name).external_attr >> 16
        assert bool(mode & 0o111) == text.startswith(b"#!")
    assert not [n for n, text in AUTOGRADERS[platform].scripts(KIT).items() if "\r" in text]


@pytest.mark.parametrize("platform", AUTOGRADERS)
def test_a_package_holds_one_assignment_and_no_debris(tiny: Tiny, tmp_path: Path, platform: str):
    placed = list(files_of(packed(tiny, platform), tmp_path))
    assert [n for n in placed if n.endswith("assignment.toml")] == [
        n for n in placed if n.endswith("tiny/assignment.toml")
    ]
    assert not [n for n in placed if "__pycache__" in n or n.endswith(".pyc") or ".." in n]
    assert any(n.endswith("engine/grader/cli.py") for n in placed)


@pytest.mark.parametrize("platform", AUTOGRADERS)
def test_a_package_that_students_can_download_holds_nothing_hidden(tiny: Tiny, tmp_path: Path, platform: str):
    held = [n for n, data in files_of(packed(tiny, platform), tmp_path).items() if CANARY.encode() in data]
    assert bool(held) != AUTOGRADERS[platform].public


def test_a_time_too_short_to_start_in_is_refused(tiny: Tiny):
    with pytest.raises(UsageError, match="20 seconds are too few"):
        packed(tiny, "gradescope", seconds=20)


def test_gradescope_finds_its_two_scripts_at_the_root(tiny: Tiny):
    names = packed(tiny, "gradescope").namelist()
    assert {"setup.sh", "run_autograder", "kit.json", "requirements.txt"} <= set(names)


@pytest.mark.parametrize("platform", AUTOGRADERS)
def test_the_scripts_can_be_read_by_what_starts_them(platform: str):
    for text in AUTOGRADERS[platform].scripts(KIT).values():
        if text.startswith("#!/usr/bin/env bash"):
            assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
        elif text.startswith("#!/usr/bin/env python3"):
            compile(text, "script", "exec")


# --------------------------------------------------------------------------------------------------------------- state


def judged(id: str, *checks: CheckResult) -> Judged:  # noqa: A002  # the glossary's word
    return Judged(question=QuestionResult(id=id, title=id, checks=checks))


def state(*checks: CheckResult, unfinished: frozenset[str] = frozenset()) -> State:
    question = QuestionResult(id="q1_double", title="Q1 Double", checks=checks)
    card = gradebooks.failing("ada", Verdict.PASSED).model_copy(update={"questions": (question,)})
    return State(autograder.folding.folded(card), unfinished, "Not finished yet.", 12.9)


def test_results_are_there_before_during_and_after(tiny: Tiny, tmp_path: Path):
    """Zeros first, then each question, then the whole: a kill at any moment leaves the last of them."""
    root = tmp_path / "autograder"
    unpacked(packed(tiny, "gradescope"), root / "source")
    (root / "submission").mkdir()
    (root / "submission" / "hw.py").write_text(RIGHT)
    seen = []

    def grade(_plan: object, _spec: object, submission: object, keep: Callable[[Judged], None]) -> Scorecard:
        seen.append(json.loads((root / "results" / "results.json").read_text()))
        keep(judged("q1_double", gradebooks.check(Verdict.PASSED, "small", 1)))
        seen.append(json.loads((root / "results" / "results.json").read_text()))
        return gradebooks.failing("ada", Verdict.PASSED, Verdict.PASSED)

    autograder.run(AUTOGRADERS["gradescope"], root, root / "source", grade)
    seen.append(json.loads((root / "results" / "results.json").read_text()))
    assert [r["score"] for r in seen] == [0, 1, 4]
    assert [r["extra_data"]["finished"] for r in seen] == [False, True, True]
    assert "not finished" in seen[0]["output"]
    assert not list((root / "results").glob(".*"))


def test_a_fault_of_ours_costs_nothing_and_is_told_to_staff(tiny: Tiny, tmp_path: Path):
    root = tmp_path / "autograder"
    unpacked(packed(tiny, "gradescope"), root / "source")
    (root / "submission").mkdir()

    def grade(*_: object) -> Scorecard:
        raise SandboxUnavailable("level 1 of /secret/reference")

    with pytest.raises(UsageError, match="could not run: level 1"):
        autograder.run(AUTOGRADERS["gradescope"], root, root / "source", grade)
    text = (root / "results" / "results.json").read_text()
    assert "at no cost to you: tell the course's staff" in text
    assert "/secret" not in text


@pytest.mark.parametrize("platform", AUTOGRADERS)
def test_a_message_of_any_characters_is_written(tmp_path: Path, platform: str):
    message = "half \ud800 null \0 \x1b[31mred\x1b[0m \u202eright |--|> :=>> `</script> 🙂\n" * 2000
    AUTOGRADERS[platform].write(tmp_path, state(gradebooks.check(Verdict.FAILED, message=message)), KIT)
    written = [p.read_text(encoding="utf-8") for p in tmp_path.rglob("*") if p.is_file()]
    assert any("🙂" in text or "\\ud83d" in text for text in written)
    assert not [t for t in written if "\x1b" in t or "\u202e" in t or len(t) > 40_000]


@pytest.mark.parametrize("when", ["hidden", "visible"])
@pytest.mark.parametrize("platform", AUTOGRADERS)
def test_nothing_of_a_hidden_check_is_written_anywhere(tmp_path: Path, platform: str, when: str):
    checks = [gradebooks.check(v, points=3).model_copy(update=SOUNDS) for v in Verdict]
    question = QuestionResult(id="q1_double", title="Q1 Double", checks=(gradebooks.check(Verdict.PASSED), *checks))
    changes = {"questions": (question,), "output": CANARY, "flags": (CANARY,)}
    card = gradebooks.failing("ada", Verdict.PASSED).model_copy(update=changes)
    kit = Kit.model_validate({**KIT.model_dump(), "hidden": when})
    assert CANARY in card.to_json()
    AUTOGRADERS[platform].write(tmp_path, State(autograder.folding.folded(card), frozenset(), "", 1.0), kit)
    written = [p.read_text() for p in tmp_path.rglob("*") if p.is_file()]
    assert written
    assert not [text for text in written if CANARY in text]


# ---------------------------------------------------------------------------------------------------------- Gradescope


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


def test_zucchini_refuses_what_gradescope_does():
    good = on_gradescope.results(state(gradebooks.check(Verdict.PASSED)), KIT)
    bad = {**good, "tests": [{**good["tests"][0], "visibility": "nope"}]}
    valid(good)
    with pytest.raises(ValueError, match="visibility"):
        valid(bad)


def test_our_sample_of_metadata_is_zucchinis():
    metadata = pytest.importorskip("zucchini.gradescope.metadata")
    assert metadata.GradescopeMetadata.model_validate(gradescope_metadata()).users[0].sid == 42


@pytest.mark.parametrize(
    ("created", "own", "late"),
    [
        ("2026-03-01T09:59:59-08:00", None, False),
        ("2026-03-01T10:00:01-08:00", None, True),
        ("2026-03-01T18:00:01+00:00", None, True),
        ("2026-03-03T00:00:00-08:00", "2026-03-04T00:00:00-08:00", False),
        ("2026-03-01T09:00:00", None, None),
        ("nonsense", None, None),
    ],
)
def test_lateness_is_by_the_students_own_due_date(tmp_path: Path, created: str, own: str | None, late: bool | None):
    (tmp_path / "submission_metadata.json").write_text(json.dumps(gradescope_metadata(created, own)))
    assert on_gradescope.read(tmp_path).late is late


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"users": [3], "assignment": null}', '{"users": [{"assignment": null}]}']
)
def test_metadata_that_is_missing_or_strange_stops_nothing(tmp_path: Path, text: str):
    (tmp_path / "submission_metadata.json").write_text(text)
    assert on_gradescope.read(tmp_path) == Task(tmp_path / "submission")


def test_a_check_without_its_points_is_failed_and_partial_points_too():
    checks = [gradebooks.check(v, f"c{i}", 2) for i, v in enumerate((Verdict.PASSED, Verdict.FAILED, Verdict.UNGRADED))]
    checks.append(checks[0].model_copy(update={"points": 1.5}))
    lines = valid(on_gradescope.results(state(*checks), KIT))["tests"]
    assert [t["status"] for t in lines] == ["passed", "failed", "failed", "failed"]
    assert [t["score"] for t in lines] == [2, 0, 0, 1.5]
    assert "Graded later" in lines[2]["output"]


@pytest.mark.parametrize("when", ["hidden", "after_due_date", "after_published", "visible"])
def test_hidden_checks_are_one_line_shown_when_the_assignment_says(when: str):
    hidden = gradebooks.check(Verdict.FAILED, CANARY, 3, visibility=Visibility.HIDDEN, message=CANARY, detail=CANARY)
    shown = gradebooks.check(Verdict.PASSED, "small", 1)
    kit = Kit.model_validate_json(KIT.model_copy(update={"hidden": when}).model_dump_json())
    results = valid(on_gradescope.results(state(shown, hidden, hidden), kit))
    assert [t["visibility"] for t in results["tests"]] == ["visible", when]
    assert CANARY not in json.dumps(results)
    assert results["output"].startswith("1 of 7 points." if when == "visible" else "1 of 1 points in what is shown")


HOSTILE = """
import sys, os, json
FAKE = json.dumps({{"score": 1000, "tests": []}})
def double(x):
    for stream in (sys.stdout, sys.stderr, sys.__stdout__):
        print(FAKE, file=stream, flush=True)
    for path in ({results!r}, "/autograder/results/results.json", "results.json"):
        try:
            open(path, "w").write(FAKE)
        except OSError:
            pass
    try:
        print(open({reference!r}).read())
    except OSError:
        pass
    return x * 3
"""


@pytest.mark.slow
@linux
@pytest.mark.parametrize(
    ("source", "points", "said"),
    [
        (RIGHT, 4, "Isolation level"),
        (WRONG, 0, "0 of 1 points"),
        ("hostile", 0, "0 of 1 points"),
        (None, 0, "0 of 1 points"),
        ("late", 4, "Handed in 2:13:20 after the due date."),
    ],
    ids=["good", "bad", "hostile", "empty", "late"],
)
def test_gradescope_runs_the_package(tiny: Tiny, tmp_path: Path, source: str | None, points: int, said: str):
    root = tmp_path / "autograder"
    unpacked(packed(tiny, "gradescope"), root / "source")
    (root / "submission").mkdir()
    texts = {
        "late": RIGHT,
        "hostile": HOSTILE.format(
            results=str(root / "results" / "results.json"), reference=str(root / "source/reference/q1_double.py")
        ),
    }
    if source:
        (root / "submission" / "hw.py").write_text(texts.get(source, source))
    metadata = gradescope_metadata("2026-03-01T12:13:20-08:00" if source == "late" else "2026-03-01T09:00:00-08:00")
    (root / "submission_metadata.json").write_text(json.dumps(metadata))
    ran = started(root / "source" / "run_autograder", root)
    results = valid(json.loads((root / "results" / "results.json").read_text()))
    assert (ran.returncode, results["score"]) == (0, points), f"{ran.stderr}{results}"
    assert said in results["output"]
    assert CANARY not in json.dumps(results) + ran.stdout
    assert results["extra_data"]["finished"]
    assert [t["max_score"] for t in results["tests"]] == ([1, 3, 7] if source else [1, 10])


@pytest.mark.slow
@linux
def test_our_deadline_comes_before_the_platforms(tmp_path: Path):
    tiny = Tiny(tmp_path / "tiny", wall_seconds=120).write()
    root = tmp_path / "autograder"
    package = unpacked(packed(tiny, "gradescope"), root / "source")
    kit = json.loads((package / "kit.json").read_text())
    (package / "kit.json").write_text(json.dumps({**kit, "seconds": 8.0}))
    (root / "submission").mkdir()
    (root / "submission" / "hw.py").write_text("def double(x):\n    while True:\n        pass\n")
    ran = started(package / "run_autograder", root)
    results = valid(json.loads((root / "results" / "results.json").read_text()))
    assert "The time of 8 seconds was over" in results["output"], ran.stderr
    assert results["tests"][0]["status"] == "failed"


def test_results_are_there_even_when_python_is_not(tiny: Tiny, tmp_path: Path):
    root = tmp_path / "autograder"
    unpacked(packed(tiny, "gradescope"), root / "source")
    ran = started(root / "source" / "run_autograder", root, AUTOGRADER_PYTHON="/nowhere/python")
    assert ran.returncode == 0
    assert valid(json.loads((root / "results" / "results.json").read_text()))["score"] == 0


# ------------------------------------------------------------------------------------------------------- PrairieLearn


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


def test_prairielearns_rules_refuse_what_it_cannot_read():
    with pytest.raises(ValueError, match="NaN"):
        prairielearn_takes('{"gradable": true, "score": NaN, "tests": []}')


@pytest.mark.slow
@linux
@pytest.mark.parametrize(("source", "score"), [(RIGHT, 4 / 11), ("hostile", 0)], ids=["good", "hostile"])
def test_prairielearn_runs_the_package(tiny: Tiny, tmp_path: Path, source: str | None, score: float):
    root = unpacked(packed(tiny, "prairielearn"), tmp_path / "grade")
    (root / "data").mkdir()
    (root / "data" / "data.json").write_text(json.dumps({"correct_answers": {"x": CANARY}}))
    (root / "student").mkdir()
    answers = root / "data" / "data.json"
    if source:
        hostile = HOSTILE.format(results=str(root / "results/results.json"), reference=str(answers))
        (root / "student" / "hw.py").write_text(hostile if source == "hostile" else source)
    ran = started(root / "tests" / "run.sh", root)
    results = prairielearn_takes((root / "results" / "results.json").read_text())
    assert results["score"] == pytest.approx(score, abs=1e-6), ran.stderr
    assert [t["max_points"] for t in results["tests"]] == [1]
    assert CANARY not in json.dumps(results) + ran.stdout
    assert not answers.exists()


# ------------------------------------------------------------------------------------------------------------- Autolab


def autolab_takes(printed: str) -> dict[str, float]:
    """As parseAutoresult of Autolab reads it: the last line, with every word before a colon put into quotes first."""
    line = printed.rstrip("\n").split("\n")[-1]
    return dict(json.loads(re.sub(r"([a-zA-Z0-9]+):", r'"\1":', line))["scores"])


def test_autolabs_rule_corrupts_what_we_never_write():
    with pytest.raises(ValueError, match="delimiter"):
        autolab_takes('{"scores": {"Q6: accuracy": 5}}')


@pytest.mark.slow
@linux
@pytest.mark.parametrize(("source", "points"), [(RIGHT, 4), ("hostile", 0)], ids=["good", "hostile"])
def test_autolab_runs_the_package(tiny: Tiny, tmp_path: Path, source: str | None, points: float):
    root = unpacked(packed(tiny, "autolab"), tmp_path / "job")
    (root / "autograde-Makefile").rename(root / "Makefile")
    if source:
        fake = HOSTILE.format(
            results=str(root / "result.txt"), reference=str(root / "torchgrader/reference/q1_double.py")
        )
        (root / "a@x.edu_1_hw.py").write_text(fake if source == "hostile" else source)
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AUTOGRADER_PYTHON": sys.executable}
    ran = subprocess.run(["make"], cwd=root, env=env, capture_output=True, text=True, check=False, timeout=250)
    assert (ran.returncode, autolab_takes(ran.stdout)) == (0, {"q1_double": points}), ran.stdout + ran.stderr
    assert "PASSED 1/1 Q1 Double" in ran.stdout or not points
    assert CANARY not in ran.stdout


# -------------------------------------------------------------------------------------------------------- Classroom 50

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


@pytest.mark.slow
@linux
@pytest.mark.parametrize(("source", "score"), [(RIGHT, 100), ("hostile", 0)], ids=["good", "hostile"])
def test_classroom50_runs_the_package(tiny: Tiny, tmp_path: Path, source: str | None, score: int):
    root = unpacked(packed(tiny, "classroom50"), tmp_path / "checkout")
    (root / "result.json").write_text('{"score": 1000}')
    if source:
        hostile = HOSTILE.format(results=str(root / "result.json"), reference="/nowhere")
        (root / "hw.py").write_text(hostile if source == "hostile" else source)
    identity = {"CLASSROOM": "c", "ASSIGNMENT": "a", "OWNER": "ann", "SUBMISSION_TAG": "submit/1-ab", "COMMIT_URL": "u"}
    ran = started(root / "autograder" / "autograder.py", root, **identity)
    results = json.loads((root / "result.json").read_text())
    jsonschema.Draft202012Validator(RESULT_SCHEMA).validate(results)
    assert (ran.returncode, results["score"], results["max-score"]) == (0, score, 100), ran.stderr
    assert (results["owner"], results["submission"]) == ("ann", "submit/1-ab")
    assert CANARY not in json.dumps(results) + (root / "release-body.md").read_text()
