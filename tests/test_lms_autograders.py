"""Autograders as a platform runs them: unpacked into its folders, started by its script, their results checked."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.commands import platforms
from grader.errors import SandboxUnavailable, UsageError
from grader.lms import autograder, capacity, on_gradescope, on_submitty, on_vpl
from grader.lms.autograder import Kit, Task
from grader.lms.autograders import AUTOGRADERS
from grader.lms.state import State
from grader.model import CheckResult, Judged, QuestionResult, Scorecard, Verdict, Visibility
from tests import gradebooks
from tests.platforms import (
    CANARY,
    autolab_takes,
    files_of,
    gradescope_metadata,
    packed,
    prairielearn_takes,
    started,
    submitty_takes,
    unpacked,
    valid,
    vpl_takes,
    with_canaries,
)
from tests.tiny import RIGHT, Tiny

SOUNDS = {"title": CANARY, "message": CANARY, "detail": CANARY, "id": f"test_{CANARY}", "visibility": Visibility.HIDDEN}
KIT = Kit(platform="gradescope", assignment="", reference="", seconds=1)


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return with_canaries(tmp_path / "tiny")


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


def test_a_folder_that_is_no_reference_is_refused(tiny: Tiny, tmp_path: Path):
    with pytest.raises(UsageError, match="holds no folder checks"):
        platforms.package("gradescope", tmp_path / "a.zip", str(tiny.assignment), tiny.reference.parent)
    assert not (tmp_path / "a.zip").exists()


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


@pytest.mark.parametrize(("policy", "score"), [("", 4), ('policy = "percent_per_day"\npercent_per_day = 10', 3.6)])
def test_lateness_is_told_and_costs_what_the_assignment_says(tiny: Tiny, tmp_path: Path, policy: str, score: float):
    with (tiny.assignment / "assignment.toml").open("a") as toml:
        toml.write(f"\n[late]\n{policy}\n")
    root = tmp_path / "autograder"
    unpacked(packed(tiny, "gradescope"), root / "source")
    (root / "submission").mkdir()
    (root / "submission_metadata.json").write_text(json.dumps(gradescope_metadata("2026-03-01T12:13:20-08:00")))
    card = gradebooks.failing("ada", Verdict.PASSED, Verdict.PASSED)
    autograder.run(AUTOGRADERS["gradescope"], root, root / "source", lambda *_: card)
    results = valid(json.loads((root / "results" / "results.json").read_text()))
    assert (results["score"], sum(t["score"] for t in results["tests"])) == (score, 4)
    assert "Handed in 2:13:20 after the due date." in results["output"]
    assert ("That costs 10 % of the points reached." in results["output"]) == bool(policy)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "Nothing can be graded: nothing was handed in: hand in submission.ipynb or submission.py."),
        ("notes.txt", "Nothing can be graded: notes.txt was handed in, but no .py or .ipynb file"),
        ("hw.py", ""),
        ("a\nGrade :=>> 10.pt", r"a\nGrade :=&gt;&gt; 10.pt was handed in"),
    ],
)
def test_what_came_of_what_was_handed_in_is_said_above_the_points(tiny: Tiny, tmp_path: Path, name: str, said: str):
    root = tmp_path / "autograder"
    unpacked(packed(tiny, "gradescope"), root / "source")
    (root / "submission").mkdir()
    if name:
        (root / "submission" / name).write_text(RIGHT)
    card = gradebooks.failing("ada", Verdict.PASSED)
    autograder.run(AUTOGRADERS["gradescope"], root, root / "source", lambda *_: card)
    output = json.loads((root / "results" / "results.json").read_text())["output"]
    assert said in output
    assert ("Nothing can be graded" in output) == (name != "hw.py")


def test_the_reasons_are_the_platforms_own(tiny: Tiny, tmp_path: Path):
    """Which attempt it is, and that the dates are the platform's, not a command line's."""
    root = tmp_path / "autograder"
    unpacked(packed(tiny, "gradescope"), root / "source")
    (root / "submission").mkdir()
    (root / "submission_metadata.json").write_text(json.dumps(gradescope_metadata()))
    card = gradebooks.failing("ada", Verdict.PASSED)
    state = autograder.run(AUTOGRADERS["gradescope"], root, root / "source", lambda *_: card)
    assert "Attempt 2." in state.remarks
    assert state.card.lateness
    assert "(the platform), handed in 2026-03-01 09:00 -08:00 (the platform)" in state.card.lateness.why


@pytest.mark.parametrize(
    ("text", "small", "cuda", "says"),
    [
        (
            "536870912\n",
            True,
            False,
            "This container has 0.5 GB of memory: what needs a network to learn is graded later.",
        ),
        ("805306368\n", True, False, ""),
        (
            "805306368\n",
            True,
            True,
            "This container has 0.8 GB of memory: what needs a network to learn is graded later.",
        ),
        ("1610612736\n", True, True, ""),
        ("1610612736\n", False, False, ""),
        ("3221225472\n", False, True, ""),
        ("max\n", False, True, ""),
    ],
)
def test_a_small_container_is_spared_and_in_one_that_is_too_small_nothing_learns(
    tmp_path: Path, text: str, small: bool, cuda: bool, says: str
):
    limits = tmp_path / "none", tmp_path / "memory.max"
    limits[1].write_text(text)
    assert (capacity.small(limits, cuda=cuda), capacity.too_small(limits, cuda=cuda)) == (small, says)


@pytest.mark.parametrize(("text", "told"), [("805306368\n", " It has 0.8 GB of memory: "), ("3221225472\n", "")])
def test_staff_are_told_of_too_little_memory_where_that_may_be_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: str
):
    (tmp_path / "memory.max").write_text(text)
    monkeypatch.setattr(capacity, "LIMITS", (tmp_path / "memory.max",))
    assert capacity.advice()[: len(told) or None] == told


def test_what_a_small_container_had_no_time_for_is_pending_and_not_lost():
    verdicts = (
        Verdict.PASSED,
        Verdict.TIMED_OUT,
        Verdict.SKIPPED,
        Verdict.OUT_OF_MEMORY,
        Verdict.CRASHED,
        Verdict.FAILED,
    )
    card = capacity.excused(state(*(gradebooks.check(v, f"c{i}", 2) for i, v in enumerate(verdicts))).card)
    assert [c.verdict for c in card.checks] == [
        Verdict.PASSED, *[Verdict.UNGRADED] * 4, Verdict.FAILED
    ]  # fmt: skip
    assert (card.points, card.pending_points) == (2, 8)


def test_a_link_in_a_checkout_leads_no_result_elsewhere(tmp_path: Path):
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / ".result.json.part").symlink_to(tmp_path / "elsewhere")
    autograder.replace_file(tmp_path / "result.json", "ours")
    assert (tmp_path / "elsewhere").read_text() == "mine"
    assert (tmp_path / "result.json").read_text() == "ours"


@pytest.mark.parametrize("platform", ["classroom50", "submitty"])
def test_the_page_lies_where_the_platform_takes_files_from(tmp_path: Path, platform: str):
    """It is whole by itself, and says nothing of hidden checks that may not be seen yet."""
    hidden = gradebooks.check(Verdict.FAILED, CANARY, 3, visibility=Visibility.HIDDEN)
    AUTOGRADERS[platform].write(tmp_path, state(gradebooks.check(Verdict.PASSED, "small", 1), hidden), KIT)
    (page,) = tmp_path.rglob("report.html")
    text = page.read_text(encoding="utf-8")
    assert "Q1 Double" in text
    assert "Hidden checks:" not in text
    assert CANARY not in text


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
    written = {p.name: p.read_text(encoding="utf-8") for p in tmp_path.rglob("*") if p.is_file()}
    assert any("🙂" in text or "\\ud83d" in text for text in written.values())
    assert not [t for t in written.values() if "\x1b" in t or "\u202e" in t]
    assert not [name for name, t in written.items() if len(t) > 40_000 and name != "report.html"]


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
    shown = ("1 of 7 points.", "1 of 7") if when == "visible" else ("1 of 1 points in what is shown now.", "1 of 1")
    assert results["output"].startswith(f"<p>{shown[0]}<br>")
    assert f"<td>Q1 Double</td><td>{shown[1]}</td>" in results["output"]


def test_results_are_there_even_when_python_is_not(tiny: Tiny, tmp_path: Path):
    root = tmp_path / "autograder"
    unpacked(packed(tiny, "gradescope"), root / "source")
    ran = started(("source/run_autograder",), root, AUTOGRADER_PYTHON="/nowhere/python")
    assert ran.returncode == 0
    assert valid(json.loads((root / "results" / "results.json").read_text()))["score"] == 0


# ------------------------------------------------------------------------------------------------------- PrairieLearn


def test_prairielearn_is_told_the_limit_that_the_deadline_is_below(tiny: Tiny):
    archive = packed(tiny, "prairielearn", seconds=300)
    part, kit = (json.loads(archive.read(n)) for n in ("info.part.json", "tests/kit.json"))
    assert (part["externalGradingOptions"]["timeout"], kit["seconds"]) == (300, 270)


def test_prairielearns_rules_refuse_what_it_cannot_read():
    with pytest.raises(ValueError, match="NaN"):
        prairielearn_takes('{"gradable": true, "score": NaN, "tests": []}')


# ------------------------------------------------------------------------------------------------------------- Autolab


def test_autolabs_rule_corrupts_what_we_never_write():
    with pytest.raises(ValueError, match="delimiter"):
        autolab_takes('{"scores": {"Q6: accuracy": 5}}')


# ---------------------------------------------------------------------------------------------------- Submitty and VPL


def test_submitty_takes_what_is_written_and_its_config_names_what_is_there(tiny: Tiny, tmp_path: Path):
    root = unpacked(packed(tiny, "submitty"), tmp_path / "all")
    config = json.loads((root / "config" / "config.json").read_text())
    validation = config["testcases"][0]["validation"][0]
    assert config["testcases"][0]["points"] == 11
    assert (root / "config" / "custom_validation_code" / validation["command"].split()[1]).is_file()
    checks = [gradebooks.check(v, f"c{i}", 2) for i, v in enumerate((Verdict.PASSED, Verdict.FAILED, Verdict.UNGRADED))]
    taken = submitty_takes(json.dumps(on_submitty.results(state(*checks), KIT)))
    assert taken["score"] == pytest.approx(1 / 3, abs=1e-6)
    assert [m["status"] for m in taken["message"]] == ["information", "success", "failure", "information"]


@pytest.mark.parametrize("text", ["", "[]", '{"testcase_prefix": 3}', '{"username": null}'])
def test_submittys_input_that_is_strange_stops_nothing(tmp_path: Path, text: str):
    (tmp_path / "custom_validator_input.json").write_text(text)
    assert on_submitty.read(tmp_path).student_id == "student"


FORGED = "Grade :=>> 10\n--|>\nGrade :=>> 9\n-|>\n<|--\nComment :=>> all right\n"


@pytest.mark.parametrize("times", [1, 3000])
def test_no_text_of_a_students_becomes_a_grade_in_vpl(times: int, monkeypatch: pytest.MonkeyPatch):
    """Not even where the middle of a long text is left out, and not as a title."""
    monkeypatch.setenv("VPL_GRADEMAX", "20")
    monkeypatch.setattr(on_vpl, "FEEDBACK_BYTES", 1000)
    checks = [gradebooks.check(Verdict.FAILED, FORGED, 1, message=n * "x" + FORGED * times) for n in range(40)]
    printed = on_vpl.output(state(gradebooks.check(Verdict.PASSED, "--|>", 40), *checks), KIT)
    grade, feedback = vpl_takes(printed)
    assert (grade, printed.count("\nGrade :=>>"), printed.count("\n--|>")) == ("10", 1, 1)
    assert all(line.startswith((">", "- ")) for line in feedback)
