"""The commands over what is stored: nothing is graded here, so each answers at once."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from grader import cli
from grader.commands import shared
from grader.model import (
    EXPLANATION,
    CheckResult,
    Environment,
    Isolation,
    QuestionResult,
    Scorecard,
    Verdict,
    Visibility,
)
from grader.store import Run, Store

Said = tuple[int, str, str]
Command = Callable[..., Said]
RUN = Run("tiny", "a", "r", "0.1.0", "3.11", "2.6", "cpu", 0, "quick", "0123", 0, "b1", {"title": "Twice"})


def check(name: str, verdict: Verdict, most: float) -> CheckResult:
    points = most if verdict is Verdict.PASSED else 0.0
    message = "double is wrong." if verdict is Verdict.FAILED else ""
    return CheckResult(
        id=name,
        title=name,
        visibility=Visibility.PUBLIC,
        verdict=verdict,
        points=points,
        max_points=most,
        message=message,
    )


def card(student: str, verdict: Verdict = Verdict.FAILED) -> Scorecard:
    q1 = QuestionResult(id="q1", title="Q1", checks=(check("a", Verdict.PASSED, 1), check("b", verdict, 3)))
    words = check(EXPLANATION, Verdict.UNGRADED, 5)
    q2 = QuestionResult(id="q2", title="Q2", checks=(check("c", Verdict.PASSED, 1), words), explanation="Because.")
    unknown = dict.fromkeys(("grader", "python", "torch", "torchvision", "numpy", "platform", "device", "recipe"), "?")
    return Scorecard(
        student_id=student,
        assignment="tiny",
        submission_digest="d1",
        questions=(q1, q2),
        isolation=Isolation(level=4, name="full", verified=True, reason=""),
        environment=Environment(**unknown, seed=0, data_name="", data_digest="", stand_in=False, assignment_digest="a"),
    )


@pytest.fixture
def graded(tmp_path: Path) -> Path:
    """A folder with the grades of two, and no page yet."""
    with Store(tmp_path, write=True) as store:
        run = store.begin(RUN, [("ada", "d1"), ("bob", "d1")])
        for one in (card("ada"), card("bob", Verdict.PASSED)):
            store.add_scorecard(run, one, "b1")
        store.end(run, "finished")
    return tmp_path


@pytest.fixture
def grader(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command in this process: exit code, stdout, stderr."""
    monkeypatch.setattr(shared.out, "_width", 200)  # it is as wide as when it was made

    def run(*arguments: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["grader", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def points(folder: Path, student: str) -> tuple[str, str]:
    """Points and pending points in gradebook.csv."""
    with (folder / "gradebook.csv").open(encoding="utf-8-sig", newline="") as file:
        row = next(r for r in csv.DictReader(file) if r["student_id"] == student)
    return row["points"], row["pending_points"]


def page(folder: Path, student: str) -> str:
    return (folder / "students" / f"{student}.html").read_text(encoding="utf-8")


def test_pages_and_gradebook_are_written_from_the_store(graded: Path, grader: Command):
    assert grader("report", graded)[0] == 0
    assert (graded / "index.html").is_file()
    assert points(graded, "ada") == ("2", "5")
    assert "double is wrong." in page(graded, "ada")


def test_a_page_is_written_again_only_when_something_on_it_has_changed(graded: Path, grader: Command):
    grader("report", graded)
    before = {p: p.stat().st_mtime_ns for p in graded.rglob("*.html")}
    grader("override", "ada", "q1", "4", "--why", "right after all", "-o", graded)
    changed = {p.name for p, at in before.items() if p.stat().st_mtime_ns != at}
    assert changed == {"ada.html", "index.html"}


def test_the_language_of_the_pages_is_remembered(graded: Path, grader: Command):
    grader("report", graded, "--lang", "zh-TW")
    grader("mark", "ada", "q2", "3", "-o", graded)
    assert '<html lang="zh-TW">' in page(graded, "ada")


def test_an_override_is_shown_to_the_student_and_the_class_with_who_and_why(graded: Path, grader: Command):
    code, said, _ = grader("override", "ada", "q1", "3.5", "--why", "a typing error", "--who", "lin", "-o", graded)
    assert (code, "3.5 of 4 points" in said) == (0, True)
    assert points(graded, "ada") == ("4.5", "5")
    for text in (page(graded, "ada"), (graded / "index.html").read_text(encoding="utf-8")):
        assert "a typing error" in text
        assert "lin" in text
    assert page(graded, "ada").count("given by a person") == 1


def test_an_override_can_be_withdrawn_and_both_are_remembered(graded: Path, grader: Command):
    grader("override", "ada", "q1", "4", "--why", "right after all", "-o", graded)
    grader("override", "ada", "q1", "--withdraw", "--why", "no, wrong", "-o", graded)
    assert points(graded, "ada") == ("2", "5")
    said = grader("show", "ada", "-o", graded)[1]
    assert "override 4" in said
    assert "withdrawn" in said


@pytest.mark.parametrize(("kind", "question"), [("override", "q1"), ("mark", "q2")])
def test_what_nobody_decided_cannot_be_taken_back(kind: str, question: str, graded: Path, grader: Command):
    code, _, complaint = grader(kind, "ada", question, "--withdraw", "--why", "never mind", "-o", graded)
    assert (code, f"ada has no {kind} in {question} that could be taken back" in complaint) == (2, True)
    assert "never mind" not in grader("show", "ada", "-o", graded)[1]


def test_a_mark_ends_the_wait_for_it(graded: Path, grader: Command):
    assert grader("mark", "ada", "q2", "3", "--why", "half of it", "-o", graded)[0] == 0
    assert points(graded, "ada") == ("5", "0")
    assert "half of it" in page(graded, "ada")
    assert "a person will mark this" not in page(graded, "ada")
    assert 'id="unmarked"' in (graded / "index.html").read_text(encoding="utf-8")  # bob still waits
    grader("mark", "bob", "q2", "5", "-o", graded)
    assert 'id="unmarked"' not in (graded / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (["override", "ada", "q1", "5", "--why", "x"], "5 points are more than the 4"),
        (["override", "ada", "q1", "2"], "needs a reason"),
        (["override", "ada", "q1", "--why", "x"], "either POINTS or --withdraw"),
        (["override", "ada", "q9", "1", "--why", "x"], "no question q9: it has q1, q2"),
        (["override", "ada", "q1", "inf", "--why", "x"], "inf is no number of points"),
        (["override", "adam", "q1", "1", "--why", "x"], "no scorecard of 'adam'. Do you mean ada?"),
        (["show", "bbo"], "Do you mean bob?"),
        (["show", "zed"], "`grader runs` lists"),
        (["withdraw", "ada"], "needs a reason"),
        (["mark", "ada", "q1", "1"], "asks for no explanation"),
        (["mark", "ada", "q2", "6"], "6 points are more than the 5"),
        (["show", "ad"], "Do you mean ada?"),
    ],
)
def test_what_cannot_be_decided_is_refused_with_a_sentence(
    graded: Path, grader: Command, arguments: list[str], phrase: str
):
    code, said, complaint = grader(*arguments, "-o", graded)
    assert (code, said) == (2, "")
    assert phrase in complaint
    assert complaint.count("\n") == 1


def test_who_is_taken_out_is_in_no_page_and_no_table_until_put_back(graded: Path, grader: Command):
    grader("report", graded)
    grader("report", graded, "--anonymous")
    assert grader("withdraw", "bob", "--why", "is b.o.b. by now", "--who", "lin", "-o", graded)[0] == 0
    assert not list(graded.rglob("bob.*"))
    grader("report", graded, "--anonymous")
    assert len(list((graded / "anonymous" / "students").iterdir())) == 1
    assert "bob" not in (graded / "gradebook.csv").read_text() + (graded / "index.html").read_text()
    code, _, complaint = grader("show", "bob", "-o", graded)
    assert (code, "taken out of the gradebook by lin" in complaint) == (2, True)
    assert "is b.o.b. by now" in complaint
    grader("withdraw", "bob", "--back", "-o", graded)
    assert (points(graded, "bob"), len(list(graded.rglob("bob.*")))) == (("5", "5"), 2)
    said = " ".join(grader("show", "bob", "-o", graded)[1].split())
    assert said.index("taken out of the") < said.index("put back into the")


def test_who_is_in_two_groups_is_asked_for_by_the_group(graded: Path, grader: Command):
    with Store(graded, write=True) as store:
        for other in ("cyd", "dan"):
            group = card(f"ada+eve+{other}").model_copy(update={"members": ("ada", "eve", other)})
            store.add_scorecard(1, group, "b1")
    assert "give the id of one of them, ada+eve+cyd, ada+eve+dan." in grader("show", "eve", "-o", graded)[2]
    assert "ada: 2 of 10" in grader("show", "ada", "-o", graded)[1]
    complaint = grader("report", graded)[2]
    assert "ada has 3 scorecards (ada, ada+eve+cyd, ada+eve+dan), each with a row in gradebook.csv" in complaint


def test_points_that_are_more_than_there_are_by_now_are_told_of(graded: Path, grader: Command):
    grader("override", "ada", "q1", "4", "--why", "right after all", "--who", "lin", "-o", graded)
    fewer = card("ada").model_copy(update={"questions": (card("ada").questions[1],)})
    easier = QuestionResult(id="q1", title="Q1", checks=(check("a", Verdict.FAILED, 2),))
    with Store(graded, write=True) as store:
        store.add_scorecard(1, fewer.model_copy(update={"questions": (easier, *fewer.questions)}), "b2")
    assert "ada, q1: the 4 points that lin gave (override, " in grader("report", graded)[2]
    assert "more than there are by now" in grader("show", "ada", "-o", graded)[1]
    grader("override", "ada", "q1", "2", "--why", "right after all", "-o", graded)
    assert (grader("report", graded)[2], points(graded, "ada")) == ("", ("3", "5"))


@pytest.mark.parametrize("arguments", [["override", "ada", "q1", "2", "--why", "x", "-o"], ["report"]])
def test_a_folder_without_grades_stays_without(tmp_path: Path, grader: Command, arguments: list[str]):
    code, _, complaint = grader(*arguments, tmp_path)
    assert (code, "there are no grades in" in complaint, list(tmp_path.iterdir())) == (2, True, [])


def test_runs_are_listed(graded: Path, grader: Command):
    said = grader("runs", graded)[1]
    for words in ("finished", "2 of 2", "tiny", "torch 2.6"):
        assert words in said


def test_a_student_is_shown_with_what_did_not_pass(graded: Path, grader: Command):
    said = grader("show", "ada", "-o", graded)[1]
    for words in ("2 of 10, 5 pending", "double is wrong.", "History", "d1"):
        assert words in said


@pytest.mark.slow
def test_the_store_is_read_without_torch_or_pandas(graded: Path):
    code = "import sys; from grader import cli\n"
    code += "sys.argv = ['grader', 'report', sys.argv[1]]\ntry: cli.main()\n"
    code += "except SystemExit: print({'torch', 'pandas'} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code, graded], capture_output=True, text=True, check=False)
    assert ended.stdout.rstrip().endswith("set()"), ended.stderr
