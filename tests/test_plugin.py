from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest
import torch
from safetensors.torch import save_file

from grader.errors import AssignmentError
from grader.judge import running
from grader.judge.case import Case, Work
from grader.judge.memory import EVERY
from grader.judge.plugin import Plugin, options
from grader.model import CheckResult, Submission, Verdict
from grader.processes.crew import Crew
from grader.processes.origin import Zygote
from grader.reference import Reference
from grader.student import Student
from tests.tiny import RIGHT, WRONG, Tiny, own_session, submission

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs fork")]

Results = dict[str, dict[str, CheckResult]]
Judge = Callable[..., Results]


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    scratch = tmp_path_factory.mktemp("workers")
    started = Crew(scratch, start=lambda modules: Zygote(scratch, modules, networks=False))
    yield started
    started.close()


@pytest.fixture
def judge(zygote: Crew) -> Judge:
    """One session over some submissions; the results by student and check."""

    def judge(tiny: Tiny, *submissions: Submission, reference: bool = True, measure: Any = None) -> Results:
        spec = tiny.write().load()
        results: Results = {}

        def finish(case: Case) -> None:
            results[case.submission.student_id] = {check: result for (_, check), result in case.results.items()}
            case.student.close()

        plugin = Plugin(
            Work(
                assignment=spec,
                reference=Reference(tiny.reference, spec) if reference else None,
                submissions=list(submissions),
                open=lambda s: Student(s, spec, zygote),
                measure=measure,
                began=lambda _: None,
                checked=lambda *_: None,
                decided=lambda *_: None,
                finish=finish,
            )
        )
        folders = [spec.checks_folder, tiny.reference / "checks"] if reference else [spec.checks_folder]
        with own_session():
            pytest.main(options(folders), plugins=[plugin])
        if plugin.fault:
            raise plugin.fault
        return results

    return judge


def checked(public: str, tmp_path: Path, **points: str) -> Tiny:
    """An assignment with public checks only."""
    return Tiny(tmp_path, checks=points, public="import pytest\n\n\n" + public, hidden="")


def test_a_second_assignment_is_graded_without_a_change_of_the_engine(judge: Judge, tmp_path: Path):
    results = judge(Tiny(tmp_path), submission("ada", RIGHT), submission("bob", WRONG), submission("cy", "x = 1\n"))
    points = {student: [r.points for r in checks.values()] for student, checks in results.items()}
    assert points == {"ada": [1, 3], "bob": [0, 0], "cy": [0, 0]}
    assert {r.verdict for r in results["cy"].values()} == {Verdict.MISSING}
    assert (results["bob"]["test_small"].verdict, results["bob"]["test_small"].message) == (
        Verdict.FAILED,
        "double(1) is not 2.",
    )
    assert results["ada"]["test_small"].title == "double gives 2 for 1."


def test_without_the_reference_only_the_public_checks_run(judge: Judge, tmp_path: Path):
    results = judge(Tiny(tmp_path), submission("ada", RIGHT), reference=False)
    assert {name: r.points for name, r in results["ada"].items()} == {"test_small": 1}


def test_what_is_left_of_measured_students_is_let_go_also_when_it_refers_to_itself(judge: Judge, tmp_path: Path):
    left: WeakSet[Student] = WeakSet()

    def measure(student: Student) -> Future[dict[str, Any]]:
        student.ring = student  # type: ignore[attr-defined]  # as the frames of an exception are one
        left.add(student)
        done: Future[dict[str, Any]] = Future()
        done.set_result({})
        return done

    tiny = checked("def test_slow(one_batch):\n    pass\n", tmp_path, test_slow="{ points = 1 }")
    gc.disable()
    try:
        judge(tiny, *(submission(f"s{n}", RIGHT) for n in range(3 * EVERY)), measure=measure)
    finally:
        gc.enable()
    assert len(left) <= EVERY + 1


@pytest.mark.parametrize(
    "line",
    [
        "raise KeyError('x')",
        "pytest.skip('not today')",
        "pytest.exit('enough')",
        "raise KeyboardInterrupt",
        "raise SystemExit(0)",
        "student.run('triple', 1)",
    ],
)
def test_a_check_that_breaks_is_internal_and_stops_neither_the_next_nor_another_student(
    judge: Judge, tmp_path: Path, line: str
):
    public = f"def test_broken(student):\n    {line}\n\n\ndef test_fine(student):\n    pass\n"
    tiny = checked(public, tmp_path, test_broken="{ points = 2 }", test_fine="{ points = 1 }")
    results = judge(tiny, submission("ada", RIGHT), submission("bob", WRONG))
    for student in ("ada", "bob"):
        broken, fine = results[student]["test_broken"], results[student]["test_fine"]
        assert (broken.verdict, broken.points, broken.pending_points) == (Verdict.INTERNAL, 0, 2)
        assert fine.verdict is Verdict.PASSED


def test_a_check_that_pytest_did_not_find_is_internal_and_keeps_its_points(judge: Judge, tmp_path: Path):
    tiny = checked("def test_a(student):\n    pass\n", tmp_path, test_a="{ points = 1 }", test_b="{ points = 9 }")
    lost = judge(tiny, submission("ada", RIGHT))["ada"]["test_b"]
    assert (lost.verdict, lost.max_points, "did not collect" in lost.message) == (Verdict.INTERNAL, 9, True)


def test_a_file_of_checks_that_cannot_be_imported_is_internal_and_said(judge: Judge, tmp_path: Path):
    tiny = checked("import no_such_module\n", tmp_path, test_a="{ points = 1 }")
    lost = judge(tiny, submission("ada", RIGHT))["ada"]["test_a"]
    assert (lost.verdict, "no_such_module" in lost.message) == (Verdict.INTERNAL, True)


def test_a_check_without_points_is_the_instructors_mistake(judge: Judge, tmp_path: Path):
    tiny = checked("def test_a(student):\n    pass\n\n\ndef test_b():\n    pass\n", tmp_path, test_a="{ points = 1 }")
    with pytest.raises(AssignmentError, match=r"has test_b, which assignment\.toml does not list for q1_double"):
        judge(tiny, submission("ada", RIGHT))


REQUIRING = """
def test_first(student):
    assert student.run("double", ONE).item() == 2, "not 2"


@pytest.mark.requires("test_first")
def test_second(student):
    pass
"""


def test_a_check_is_skipped_when_the_one_it_requires_did_not_pass(judge: Judge, tmp_path: Path):
    points = {"test_first": "{ points = 1 }", "test_second": "{ points = 1 }"}
    tiny = checked("import torch\n\nONE = torch.ones(1)\n" + REQUIRING, tmp_path, **points)
    results = judge(tiny, submission("ada", RIGHT), submission("bob", WRONG))
    assert results["ada"]["test_second"].verdict is Verdict.PASSED
    assert results["bob"]["test_second"].verdict is Verdict.SKIPPED
    assert "did not pass: test_first" in results["bob"]["test_second"].message


def test_a_check_that_requires_a_broken_one_is_internal_too(judge: Judge, tmp_path: Path):
    points = {"test_first": "{ points = 1 }", "test_second": "{ points = 1 }"}
    results = judge(checked(REQUIRING, tmp_path, **points), submission("ada", RIGHT))  # ONE is not defined
    assert [r.verdict for r in results["ada"].values()] == [Verdict.INTERNAL, Verdict.INTERNAL]


@pytest.mark.parametrize(
    ("body", "verdict", "points", "message"),
    [
        ("award(0.25, 'a quarter')", Verdict.PASSED, 1, "a quarter"),
        ("award(7, 'more than all')", Verdict.PASSED, 4, "more than all"),
        ("award(0, 'nothing')", Verdict.FAILED, 0, "nothing"),
        ("award(1, 'all'); assert False, 'and yet wrong'", Verdict.FAILED, 0, "and yet wrong"),
        ("award(1, 'all'); 1 / 0", Verdict.INTERNAL, 0, "The harness failed here"),
    ],
)
def test_an_award_is_a_fraction_of_the_points_of_a_check_that_passes(
    judge: Judge, tmp_path: Path, body: str, verdict: Verdict, points: float, message: str
):
    tiny = checked(f"def test_a(student, award):\n    {body}\n", tmp_path, test_a="{ points = 4 }")
    result = judge(tiny, submission("ada", RIGHT))["ada"]["test_a"]
    assert (result.verdict, result.points) == (verdict, points)
    assert result.message.startswith(message)


def test_an_award_is_not_carried_to_the_next_check(judge: Judge, tmp_path: Path):
    public = "def test_a(award):\n    award(0.5, 'half')\n\n\ndef test_b():\n    pass\n"
    tiny = checked(public, tmp_path, test_a="{ points = 1 }", test_b="{ points = 1 }")
    assert [r.points for r in judge(tiny, submission("ada", RIGHT))["ada"].values()] == [0.5, 1]


@pytest.mark.parametrize("order", [[1, 2], [2, 1]])
def test_a_check_with_parameters_passes_only_when_every_case_does(judge: Judge, tmp_path: Path, order: list[int]):
    public = f"@pytest.mark.parametrize('n', {order})\ndef test_a(student, n):\n    assert n == 1, 'not 1'\n"
    result = judge(checked(public, tmp_path, test_a="{ points = 1 }"), submission("ada", RIGHT))["ada"]["test_a"]
    assert (result.verdict, result.points, result.message) == (Verdict.FAILED, 0, "not 1")


def test_a_fault_while_tidying_up_is_internal(judge: Judge, tmp_path: Path):
    public = "@pytest.fixture\ndef tidy():\n    yield\n    1 / 0\n\n\ndef test_a(tidy):\n    pass\n"
    result = judge(checked(public, tmp_path, test_a="{ points = 1 }"), submission("ada", RIGHT))["ada"]["test_a"]
    assert (result.verdict, result.points) == (Verdict.INTERNAL, 0)


def test_checks_may_have_a_fixture_of_the_same_name_and_ask_it_for_ours(judge: Judge, tmp_path: Path):
    public = "@pytest.fixture\ndef student(student):\n    return student.submission.student_id\n\n\n"
    public += "def test_a(student, award):\n    award(0.5, student)\n"
    tiny = checked(public, tmp_path, test_a="{ points = 1 }")
    results = judge(tiny, submission("ada", RIGHT), submission("bob", WRONG))
    assert [checks["test_a"].message for checks in results.values()] == ["ada", "bob"]


def test_a_check_that_never_ends_is_internal_and_the_next_one_has_its_own_time(
    judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(running, "CHECK_SECONDS", 0.2)
    public = "import signal\n\n\ndef test_a(student):\n    signal.pause()\n\n\ndef test_b(student):\n    pass\n"
    tiny = checked(public, tmp_path, test_a="{ points = 1 }", test_b="{ points = 1 }")
    ended, fine = judge(tiny, submission("ada", RIGHT))["ada"].values()
    assert (ended.verdict, fine.verdict) == (Verdict.INTERNAL, Verdict.PASSED)
    assert "Overdue: it went on for more than 0.2 seconds" in ended.message


def test_what_a_check_does_to_a_fixture_of_the_session_does_not_reach_the_next_student(judge: Judge, tmp_path: Path):
    public = "@pytest.fixture(scope='session')\ndef board():\n    return []\n\n\n"
    public += "def test_a(student, board, award):\n    board.append(1)\n    award(0.5, str(len(board)))\n"
    tiny = checked(public, tmp_path, test_a="{ points = 1 }")
    results = judge(tiny, submission("ada", RIGHT), submission("bob", WRONG))
    assert [checks["test_a"].message for checks in results.values()] == ["1", "1"]


def seeds_of(results: Results) -> list[str]:
    return [checks["test_a"].message for checks in results.values()]


def test_hidden_seeds_differ_by_submission_and_repeat_with_it(judge: Judge, tmp_path: Path):
    hidden = "def test_a(student, seed, award):\n    award(0.5, str(seed))\n"
    tiny = Tiny(tmp_path, {"test_a": '{ points = 1, visibility = "hidden" }'}, public="", hidden=hidden)
    three = submission("ada", RIGHT), submission("bob", WRONG), submission("copy", RIGHT)
    first, second = seeds_of(judge(tiny, *three)), seeds_of(judge(tiny, *three))
    assert first == second
    assert first[0] == first[2] != first[1]


def test_another_reference_draws_other_hidden_seeds(judge: Judge, tmp_path: Path):
    hidden = "def test_a(student, seed, award):\n    award(0.5, str(seed))\n"
    checks = {"test_a": '{ points = 1, visibility = "hidden" }'}
    tinies = [Tiny(tmp_path / str(i), checks, public="", hidden=hidden + "#" * i) for i in range(2)]
    a, b = (seeds_of(judge(tiny, submission("ada", RIGHT))) for tiny in tinies)
    assert a != b


def test_public_seeds_are_the_same_for_everybody(judge: Judge, tmp_path: Path):
    tiny = checked("def test_a(seed, award):\n    award(0.5, str(seed))\n", tmp_path, test_a="{ points = 1 }")
    assert seeds_of(judge(tiny, submission("ada", RIGHT), submission("bob", WRONG))) == ["0", "0"]


def test_a_public_check_that_asks_for_the_reference_is_internal_in_a_self_check(judge: Judge, tmp_path: Path):
    tiny = checked("def test_a(reference):\n    pass\n", tmp_path, test_a="{ points = 1 }")
    results = judge(tiny, submission("ada", RIGHT), reference=False)
    assert results["ada"]["test_a"].verdict is Verdict.INTERNAL


def test_what_could_not_be_read_is_missing_everywhere_with_its_reason(judge: Judge, tmp_path: Path):
    unreadable = Submission("ada", (), problem="The zip holds no .py file.")
    results = judge(Tiny(tmp_path), unreadable)["ada"].values()
    assert {(r.verdict, r.message) for r in results} == {(Verdict.MISSING, "The zip holds no .py file.")}


def test_what_lies_beside_the_folders_of_checks_is_not_looked_at(tmp_path: Path):
    tiny = Tiny(tmp_path).write()
    folders = [tiny.assignment / "checks", tiny.reference / "checks"]
    seen: list[Path] = []

    class Looks:
        def pytest_ignore_collect(self, collection_path: Path) -> None:
            seen.append(collection_path)

    with own_session():
        pytest.main([*options(folders), "--collect-only"], plugins=[Looks()])
    assert all(f / "test_q1_double.py" in seen for f in folders)
    assert {p.parent for p in seen} <= {tiny.assignment, tiny.reference, *folders}


def test_conftest_and_configuration_beside_the_checks_are_not_read(judge: Judge, tmp_path: Path):
    tiny = checked("def test_a(student):\n    pass\n", tmp_path, test_a="{ points = 1 }").write()
    (tiny.assignment / "checks" / "conftest.py").write_text("raise RuntimeError\n")
    (tiny.assignment / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    assert judge(tiny, submission("ada", RIGHT))["ada"]["test_a"].verdict is Verdict.PASSED


class Sliding(Tiny):
    """The tiny assignment with a window to its answer."""

    def write(self) -> Tiny:
        super().write()
        path = self.assignment / "assignment.toml"
        text = path.read_text(encoding="utf-8")
        path.write_text(
            text.replace('name = "double"', 'name = "double", window = { kernel = [1, 1] }'), encoding="utf-8"
        )
        return self


LOOK = '''
import torch
from grader.compare import same


def {}(student):
    """double doubles."""
    x = torch.ones(1, 2, 3)
    same(student.run("double", x), 2 * x, "double")
'''


def test_a_wrong_answer_is_kept_with_its_place_and_window_and_in_hidden_checks_without_a_size(
    judge: Judge, tmp_path: Path
):
    sliding = Sliding(tmp_path, public=LOOK.format("test_small"), hidden=LOOK.format("test_random"))
    wrong = submission("bob", "def double(x):\n    return 2 * x + (x.cumsum(2) == 3)\n")
    shown, hidden = judge(sliding, wrong, submission("ada", RIGHT))["bob"].values()
    assert (shown.answer, shown.difference.index, shown.difference.tenths) == ("double", (0, 0, 2), ("009", "009"))
    assert (shown.difference.largest, hidden.difference.largest) == (1.0, None)
    assert hidden.difference.tenths == shown.difference.tenths
    assert shown.window.plane == hidden.window.plane == (2, 3)


def test_a_check_that_changes_the_public_tensors_changes_them_for_nobody_else(judge: Judge, tmp_path: Path):
    public = "def test_first(expected):\n    assert expected.pop('two') == 2\n"
    tiny = checked(public, tmp_path, test_first="{ points = 1 }").write()
    save_file({"two": torch.tensor(2)}, tiny.assignment / "expected.safetensors")
    results = judge(tiny, submission("ada", RIGHT), submission("bob", WRONG), reference=False)
    assert [results[student]["test_first"].points for student in ("ada", "bob")] == [1, 1]
