"""The attack suite in two arms: behind the walls each attack is refused, without them it is shown to work.

Adding a case adds no code: see grader/doctor/hostile.py and the folders of attacks/.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from grader import report, sandbox
from grader.doctor import attack, hostile
from grader.doctor.attack import Result
from grader.doctor.hostile import Case
from grader.doctor.stage import CLEAN, stage
from grader.errors import AssignmentError, SandboxUnavailable
from grader.model import Gradebook, Scorecard, Verdict
from grader.report import table
from grader.sandbox import Sandbox, kernel
from tests import unguarded
from tests.test_plugin import own_session
from tests.unguarded import Range

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),  # the first that needs a result waits for the whole suite
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the Linux walls"),
]

SUITE = hostile.suite()
CASES = hostile.cases(SUITE)
LEAST = {"A": 10, "B": 10, "C": 5, "D": 10, "E": 10, "F": 10, "G": 10, "H": 10, "I": 3}


def ids(case: Case) -> str:
    return case.name


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """The suite behind the walls, in a process of its own while the other arm is tried here."""
    out = tmp_path_factory.mktemp("attacks") / "results.json"
    command = [sys.executable, "-m", "grader.doctor.attack", str(SUITE), "--json", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        yield process, out
        process.kill()


@pytest.fixture(scope="module")
def results(running: tuple[subprocess.Popen[bytes], Path]) -> dict[str, Result]:
    """What came of every case behind the walls."""
    process, out = running
    _, said = process.communicate()
    assert out.is_file(), said.decode()
    return {r.name: r for r in map(Result.from_body, json.loads(out.read_text()))}


@pytest.fixture(scope="module")
def place(running: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Range]:
    """Where nothing is protected."""
    scratch = tmp_path_factory.mktemp("unguarded") / "workers"
    scratch.mkdir()
    with stage(SUITE) as made_up, contextlib.closing(Range(made_up, scratch)) as made:
        yield made


@pytest.mark.parametrize("case", [c for c in CASES if c.expected.control.arm in unguarded.TRIED], ids=ids)
def test_without_walls_it_works(case: Case, place: Range) -> None:
    control = case.expected.control
    if control.root and not kernel.has_capability(kernel.CAP_SYS_ADMIN):
        pytest.skip("takes privilege")
    achieved = unguarded.TRIED[control.arm](case, place)
    if not achieved and control.unless:
        pytest.skip(control.unless)
    assert achieved > 0
    assert control.achieved in (None, achieved)


def test_an_honest_submission_achieves_nothing_without_walls(place: Range) -> None:
    assert place.achieved(hostile.one_file("clean", CLEAN)) == 0
    assert place.achieved(unguarded.graded_classically(CLEAN, place)) == 0


def test_a_wrong_submission_alone_does_not_pass_under_pytest(place: Range) -> None:
    folder = place.workshop()
    folder.mkdir()
    (folder / "submission.py").write_text("def relu(x):\n    return x\n")
    assert not unguarded.pytest_passes(folder)


def test_a_process_that_is_left_behind_is_seen(place: Range) -> None:
    """What shows that none is left behind the walls sees one where there are none."""
    (case,) = (c for c in CASES if c.name == "d_leaves_a_process")
    unguarded.worker(case, place)
    assert place.survivors()


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_behind_the_walls(case: Case, results: dict[str, Result], request: pytest.FixtureRequest) -> None:
    if case.expected.known:
        request.applymarker(pytest.mark.xfail(reason=case.expected.known, strict=True))
    assert results[case.name].problems == ()


@pytest.mark.parametrize("case", [c for c in CASES if c.expected.control.arm in unguarded.SHOWN], ids=ids)
def test_shown_as_it_is_it_works(case: Case, results: dict[str, Result]) -> None:
    assert unguarded.SHOWN[case.expected.control.arm](card_of(results[case.name]))


def card_of(result: Result) -> Scorecard:
    assert result.scorecard is not None
    return result.scorecard


@pytest.mark.parametrize("case", [c for c in CASES if c.expected.control.arm in ("harmful", "none")], ids=ids)
def test_what_is_not_tried_says_why(case: Case) -> None:
    assert case.expected.control.why


def test_the_suite_covers_every_group() -> None:
    counts = Counter[str](c.expected.group for c in CASES)
    assert all(counts[group] >= least for group, least in LEAST.items())
    assert sum(counts.values()) >= 90


# ------------------------------------------------------------------------------------------------------ the invariants


@pytest.fixture(scope="module")
def loose() -> dict[str, Result]:
    """Some cases through the judge without walls: what must hold after each does not."""
    names = ("a_prints_the_answer", "a_reads_a_token", "d_leaves_a_file", "d_leaves_a_process")
    level_1, plan = sandbox.choose(fresh=True).isolation, attack._plan
    with stage(SUITE) as made_up, own_session(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "choose", lambda **_: Sandbox(level_1, forks=True))
        patch.setattr(attack, "_plan", lambda *where: replace(plan(*where), trust=True))
        return {r.name: r for r in attack.run([c for c in CASES if c.name in names], made_up)}


def test_a_machine_without_walls_is_not_attacked() -> None:
    level_1 = Sandbox(sandbox.choose(fresh=True).isolation, forks=True)
    with stage(SUITE) as made_up, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "choose", lambda **_: level_1)
        with pytest.raises(SandboxUnavailable, match="isolation level 1"):
            attack.run(CASES[:1], made_up)


def test_a_suite_that_is_not_there_is_no_success(tmp_path: Path) -> None:
    with pytest.raises(AssignmentError, match="holds no attacks"):
        hostile.cases(tmp_path)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("a_prints_the_answer", "I5: reference is told"),
        ("d_leaves_a_file", "I4: "),
        ("d_leaves_a_process", "I3: processes came or went"),
    ],
)
def test_what_an_attack_does_is_noticed(loose: dict[str, Result], name: str, problem: str) -> None:
    assert [p for p in loose[name].problems if p.startswith(problem)]


def findings(results: dict[str, Result], found: attack.Findings, **changes: object) -> list[str]:
    """What is found wrong with a clean scorecard after an attack; `changes` are made to it."""
    (case,) = (c for c in CASES if c.name == "a_opens_the_answer")
    card = card_of(results[case.name])
    found.expect(case)
    clean = {"student_id": "clean after it", **changes}
    for change in ({"student_id": "clean"}, {key: v for key, v in changes.items() if key != "questions"}, clean):
        found.say("finished", scorecard=card.model_copy(update=change).model_dump_json(round_trip=True))
    return [p.partition(":")[0] for p in found.results[0].problems]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, []),
        ({"notes": ("something else",)}, ["I2"]),
        ({"seconds": 4.1}, ["I6"]),
        ({"isolation": sandbox.choose(fresh=True).isolation}, ["I7", "I2"]),
    ],
)
def test_a_scorecard_that_is_not_as_it_must_be_is_noticed(
    results: dict[str, Result], changes: dict[str, object], wanted: list[str]
) -> None:
    with stage(SUITE) as made_up:
        found = attack.Findings(made_up, card_of(results["a_opens_the_answer"]).isolation)
        assert findings(results, found, **changes) == wanted


def test_a_clean_submission_that_does_not_get_full_marks_is_noticed(results: dict[str, Result]) -> None:
    card = card_of(results["a_opens_the_answer"])
    (question,) = card.questions
    wrong = question.checks[0].model_copy(update={"verdict": Verdict.FAILED, "points": 0.0})
    questions = (question.model_copy(update={"checks": (wrong, *question.checks[1:])}),)
    with stage(SUITE) as made_up:
        found = attack.Findings(made_up, card.isolation)
        assert findings(results, found, questions=questions) == ["I1", "I2"]


# --------------------------------------------------------------------------------------------------------- the reports


@pytest.fixture(scope="module")
def pages(results: dict[str, Result], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports on all of them."""
    out = tmp_path_factory.mktemp("reports") / "out"
    cards = tuple(r.scorecard for r in results.values() if r.scorecard)
    report.write(Gradebook(assignment="stage", title="Stage", scorecards=cards), out)
    return out


def test_every_report_lies_in_its_folder_under_a_name_of_its_own(pages: Path, results: dict[str, Result]) -> None:
    cards = [r for r in results.values() if r.scorecard]
    assert len(list((pages / "students").iterdir())) == len(cards)
    assert [p.name for p in pages.parent.iterdir()] == ["out"]


def test_nothing_on_a_page_acts(pages: Path) -> None:
    plain = unguarded.active((pages / "students" / "a_opens_the_answer.html").read_text(encoding="utf-8"))
    for page in (pages / "students").iterdir():
        assert unguarded.active(page.read_text(encoding="utf-8")) == plain, page.name


def test_nothing_on_the_class_page_acts(pages: Path) -> None:
    alone = Gradebook(assignment="stage", title="Stage", scorecards=())
    wanted = unguarded.active(report.class_page(alone))
    assert unguarded.active((pages / "index.html").read_text(encoding="utf-8")) == wanted


def test_no_cell_of_the_gradebook_is_a_formula(pages: Path) -> None:
    with (pages / "gradebook.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [c for c in cells if c.startswith(table.FORMULA)]
