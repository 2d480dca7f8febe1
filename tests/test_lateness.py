"""Late work, extensions, attempts and groups: what it costs, who decides, and what goes out."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import unicodedata
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from grader import assignment, lateness
from grader.errors import AssignmentError, UsageError
from grader.intake import collect
from grader.lateness import Extension, Policy, Rules, dates
from grader.lms import incoming, outgoing
from grader.lms.platform import Choices
from grader.lms.sheet import Sheet
from grader.model import File, Gradebook, Lateness, Scorecard, Submission, Verdict
from grader.report import table
from grader.store import Store, attempts
from tests import gradebooks
from tests.tiny import RIGHT, WRONG, Tiny

ROOT = Path(__file__).resolve().parent.parent
DUE = datetime(2026, 12, 1, 15, 59, tzinfo=UTC)
TEN = Policy(due=DUE, grace_minutes=10, policy="percent_per_day", percent_per_day=10, maximum_percent=50)
TENTHS = Rules(TEN)


def cost(after: timedelta, rules: Rules = TENTHS, **known: object) -> Lateness:
    found = lateness.assessed(Submission("ada", (), submitted_at=DUE + after, **known), rules)  # type: ignore[arg-type]
    assert found.lateness is not None
    return found.lateness


@pytest.mark.parametrize(
    ("after", "days", "percent"),
    [
        (timedelta(hours=-1), 0, 0),
        (timedelta(0), 0, 0),
        (timedelta(minutes=10), 0, 0),
        (timedelta(minutes=10, seconds=1), 1, 10),
        (timedelta(days=1), 1, 10),
        (timedelta(days=1, seconds=1), 2, 20),
        (timedelta(days=40), 40, 50),
    ],
)
def test_each_begun_day_after_the_grace_costs_until_the_maximum(after: timedelta, days: int, percent: float):
    assert (cost(after).days, cost(after).percent) == (days, percent)


def test_what_it_cost_is_said_with_both_dates_and_where_they_are_from():
    assert cost(timedelta(days=1, hours=2)).why == (
        "2 days late, 10 % a day: -20 %. Due 2026-12-01 15:59 +00:00 (the assignment), "
        "handed in 2026-12-02 17:59 +00:00 (the platform's export)."
    )
    assert "(the command line)" in cost(timedelta(0), Rules(TEN, due=DUE)).why
    assert "The platform itself says late" in cost(timedelta(0), late=True).why


@pytest.mark.parametrize(
    ("extension", "percent"),
    [
        (Extension(hours=24), 0),
        (Extension(hours=23), 10),
        (Extension(due=DUE + timedelta(days=3)), 0),
        (Extension(due=DUE - timedelta(days=3)), 10),  # everybody's date was put off since
    ],
)
def test_an_extension_is_a_date_of_ones_own_whoever_of_a_group_has_it(extension: Extension, percent: float):
    rules = Rules(TEN, extensions={"bob": extension})
    assert cost(timedelta(days=1), rules, members=("Ann", "Bob")).percent == percent
    assert cost(timedelta(days=1), rules).percent == 10


def test_who_has_no_time_or_no_due_date_is_not_late():
    unknown = Submission("ada", (), late=True)
    assert lateness.assessed(unknown, Rules(TEN)) == unknown
    assert lateness.assessed(Submission("ada", (), submitted_at=DUE), Rules(Policy())).lateness is None


def test_the_time_is_the_platforms_else_the_lists_and_a_files_own_only_if_asked_for(tmp_path: Path):
    path = tmp_path / "ada.py"
    path.write_text(RIGHT)
    os.utime(path, (DUE.timestamp() + 60, DUE.timestamp() + 60))
    (ada,) = collect(path)
    assert lateness.assessed(ada, Rules(TEN)).submitted_at is None
    assert lateness.assessed(ada, Rules(TEN, files=True)).submitted_at == DUE + timedelta(minutes=1)
    assert lateness.assessed(ada, Rules(TEN, times={"ada": DUE}, files=True)).submitted_at == DUE


def test_a_zip_gives_no_time(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        archive.writestr("ada.py", RIGHT)
    (ada,) = collect(tmp_path / "class.zip")
    assert ada.modified_at is None


def graded(percent: float, verdict: Verdict = Verdict.PASSED, **more: object) -> Scorecard:
    late = Lateness(seconds=1, days=1, percent=percent, why="1 day late, 10 % a day: -10 %.")
    return gradebooks.failing("ada", Verdict.PASSED, verdict).model_copy(update={"lateness": late, **more})


def test_lateness_is_taken_off_the_grade_and_never_off_points_or_what_is_pending():
    card = graded(10)
    assert (card.points, card.grade, card.pending_points) == (4, 3.6, 0)
    waits = graded(10, Verdict.INTERNAL)
    assert (waits.points, waits.grade, waits.pending_points) == (2, 1.8, 2)
    assert Scorecard.from_json(card.to_json()) == card
    assert card.summary == "3.6 of 4 (4 less 10 % for lateness)"


def test_each_member_of_a_group_has_a_row_in_every_table():
    card = graded(50, student_id="s1+s2", members=("s1", "s2"))
    book = Gradebook(assignment="a", title="A", scorecards=(card,))
    rows = list(csv.DictReader(io.StringIO(table.written(book).removeprefix("\ufeff"))))
    assert [(r["student_id"], r["points"], r["late_percent"], r["grade"]) for r in rows] == [
        ("s1", "4", "50", "2"),
        ("s2", "4", "50", "2"),
    ]
    for platform, who, points in (("csv", "student_id", "grade"), ("nbgrader", "student_id", "score")):
        text = outgoing.export(platform, book, None, Choices()).data.decode("utf-8-sig")
        assert [(r[who], r[points]) for r in csv.DictReader(io.StringIO(text))] == [("s1", "2"), ("s2", "2")]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("due = 2026-12-01T23:59:00", "late.due"),
        ("percent_per_day = 10", "go together"),
        ('policy = "percent_per_day"', "go together"),
        ('policy = "percent_per_day"\npercent_per_day = 101', "late.percent_per_day"),
        ("grace = 1", "unknown key late.grace"),
    ],
)
def test_a_policy_that_is_not_plain_is_refused(tmp_path: Path, lines: str, message: str):
    tiny = Tiny(tmp_path).write()
    path = tiny.assignment / "assignment.toml"
    path.write_text(f"{path.read_text()}\n[late]\n{lines}\n")
    with pytest.raises(AssignmentError, match=message):
        assignment.load(tiny.assignment)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("who,hours\nada,1\n", "wanted the columns"),
        ("student,due,hours\nada,,\n", "line 2: wanted either"),
        ("student,due\nada,2026-12-01 10:00\n", "no time zone"),
        ("student,hours\nada,-1\n", "no number of hours"),
        ("student,hours\nada,1\nADA,2\n", "line 3: this student is listed twice"),
    ],
)
def test_a_list_that_cannot_be_told_is_refused_with_its_line(tmp_path: Path, text: str, message: str):
    path = tmp_path / "extensions.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        dates.extensions(path)


def test_of_folders_of_attempts_the_last_is_graded(tmp_path: Path):
    for name, text in {"attempt 2": "2", "Attempt10": "10", "attempt1": "1"}.items():
        (tmp_path / "class" / "ada" / name).mkdir(parents=True)
        (tmp_path / "class" / "ada" / name / "submission.py").write_text(text)
    (ada,) = collect(tmp_path / "class")
    assert (ada.student_id, [f.data for f in ada.files]) == ("ada", [b"10"])
    assert "Attempt10 counts, being the last; not graded: attempt1, attempt 2." in ada.notes[0]
    (ada,) = incoming.take(tmp_path / "class", every_attempt=True).submissions
    assert [(a.attempt, a.files[0].data) for a in ada.attempts] == [
        ("attempt1", b"1"),
        ("attempt 2", b"2"),
        ("Attempt10", b"10"),
    ]
    assert ada.notes == ()


def test_of_canvas_each_attempt_has_what_was_not_handed_in_again_too(tmp_path: Path):
    for name in ("hw.py", "hw-1.py", "model.py"):
        (tmp_path / f"doejane_12_34_{name}").write_text(name)
    (jane,) = incoming.take(tmp_path, "canvas", every_attempt=True).submissions
    assert [{f.name: f.data for f in a.files} for a in jane.attempts] == [
        {"hw.py": b"hw.py", "model.py": b"model.py"},
        {"hw.py": b"hw-1.py", "model.py": b"model.py"},
    ]


def several(*grades: tuple[bool, float]) -> tuple[Submission, list[Scorecard]]:
    """A student's attempts and their scorecards: whether the second half is right, and what lateness costs."""
    made = []
    for n, (_, percent) in enumerate(grades, 1):
        late = Lateness(seconds=1, days=1, percent=percent, why="")
        made.append(Submission("ada", (File("a.py", b"%d" % n),), attempt=f"attempt{n}", lateness=late))
    verdicts = [Verdict.PASSED if right else Verdict.FAILED for right, _ in grades]
    cards = [gradebooks.failing("ada", Verdict.PASSED, v) for v in verdicts]
    cards = [
        c.model_copy(update={"submission_digest": s.digest}).handed_in_as(s) for c, s in zip(cards, made, strict=True)
    ]
    return replace(made[-1], earlier=tuple(made[:-1])), cards


@pytest.mark.parametrize(
    ("grades", "counts", "note"),
    [
        ([(True, 0), (False, 0)], "attempt1", "having the best grade, 4; the others: attempt2: 2."),
        ([(False, 0), (True, 20)], "attempt2", "having the best grade, 3.2; the others: attempt1: 2."),
        ([(False, 0), (True, 60)], "attempt1", "having the best grade, 2; the others: attempt2: 1.6."),
        ([(True, 0), (True, 0), (False, 0)], "attempt2", "the others: attempt1: 4, attempt3: 2."),
    ],
    ids=["the first is better", "late and still better", "too late to be better", "equal ones: the later"],
)
def test_of_several_attempts_the_best_grade_counts_after_lateness(
    tmp_path: Path, grades: list[tuple[bool, float]], counts: str, note: str
):
    submission, cards = several(*grades)
    with Store(tmp_path, write=True) as store:
        for card in cards:
            store.add_scorecard(1, card, "b1")
            attempts.choose(store, card.assignment, submission)
        attempts.choose(store, cards[0].assignment, submission)  # which changes nothing
        (kept,) = store.current(cards[0].assignment)
        assert (kept.card.attempt, len(kept.card.attempts)) == (counts, len(grades))
        assert note in kept.card.notes[0]
        assert attempts.alone(kept.card) in cards
        assert len(store.history(cards[0].assignment, "ada")) <= 2 * len(cards)


def test_an_id_is_the_same_however_its_accents_are_encoded(tmp_path: Path):
    path = tmp_path / "extensions.csv"
    path.write_text(unicodedata.normalize("NFD", "student,hours\nJÖRG,24\n"), encoding="utf-8")
    late = Submission("jörg", (), submitted_at=DUE + timedelta(days=1))
    found = lateness.assessed(late, Rules(TEN, extensions=dates.extensions(path)))
    assert found.lateness is not None
    assert found.lateness.percent == 0
    assert list(dates.remarks([found], Rules(TEN, extensions=dates.extensions(path)))) == []


def test_hours_after_no_date_are_told_of():
    on_time = Submission("ada", (), submitted_at=DUE)
    (remark,) = dates.remarks([on_time], Rules(Policy(), extensions={"ada": Extension(hours=1)}))
    assert "nothing says when it is due, so hours after that mean nothing" in remark


def test_each_attempt_has_its_own_time_and_its_own_cost(tmp_path: Path):
    submission, _ = several((True, 0), (True, 0), (True, 0))
    (tmp_path / "times.csv").write_text(
        f"student,attempt,submitted_at\nada,attempt 2,{DUE.isoformat()}\nAda,,{(DUE + timedelta(days=2)).isoformat()}\n"
    )
    found = lateness.assessed(submission, Rules(TEN, times=dates.times(tmp_path / "times.csv")))
    assert [a.lateness.percent if a.submitted_at and a.lateness else None for a in found.attempts] == [None, 0, 20]


def test_the_same_content_is_one_attempt_handed_in_when_it_first_was():
    submission, _ = several((True, 0), (True, 0))
    again = replace(submission, files=submission.earlier[0].files)
    assert [a.attempt for a in again.attempts] == ["attempt1"]


# ------------------------------------------------------------------------------------------------------ from end to end

METADATA = """---
submission_1:
  :submitters:
  - :name: Ann
    :sid: s1
  - :name: Bob
    :sid: s2
  :created_at: 2026-12-03 16:00:00.0 Z
submission_2:
  :submitters:
  - :name: Cat
    :sid: s3
  :created_at: 2026-12-02 15:00:00.0 Z
submission_3:
  :submitters:
  - :name: Dan
    :sid: s4
  :created_at: 2026-12-01 15:00:00.0 Z
"""
LATE = """
[late]
due = 2026-12-01T23:59:00+08:00
policy = "percent_per_day"
percent_per_day = 10
"""
SHEET = "Name,SID,Email,Total Score,Submission ID\nAnn,s1,,,1\nBob,s2,,,1\nCat,s3,,,2\nDan,s4,,,3\n"


def grader(*arguments: str | Path) -> str:
    command = [sys.executable, "-m", "grader.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs fork")
def test_late_extended_and_group_work_comes_out_as_the_policy_says(tmp_path: Path):
    tiny = Tiny(tmp_path / "tiny").write()
    with (tiny.assignment / "assignment.toml").open("a") as file:
        file.write(LATE)
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("assignment_export/submission_metadata.yml", METADATA)
        for number in (1, 2, 3):
            archive.writestr(f"assignment_export/submission_{number}/submission.py", RIGHT)
    (tmp_path / "extensions.csv").write_text("student,hours\ns3,12\n")
    where = ["-a", tiny.assignment, "--reference", tiny.reference, "-o", tmp_path / "out", "--device", "cpu"]
    given = [tmp_path / "export.zip", *where, "--trust-submissions", "--json-lines"]
    grader("grade", *given, "--extensions", tmp_path / "extensions.csv")
    assert scores(tmp_path) == {"s1": "2.8", "s2": "2.8", "s3": "3.6", "s4": "4"}
    page = tmp_path / "out" / "students" / next(p.name for p in (tmp_path / "out" / "students").glob("s1_s2*"))
    assert "3 days late, 10 % a day: -30 %." in page.read_text(encoding="utf-8")

    (tmp_path / "extensions.csv").write_text("student,hours\ns3,36\n")
    lines = grader("regrade", "-o", tmp_path / "out", "--json-lines").splitlines()
    assert json.loads(lines[0])["left"] == 0
    assert scores(tmp_path)["s3"] == "4"

    without = ["grade", *given]  # and nothing to grade
    for command in (without, ["regrade", "-o", tmp_path / "out"]):
        grader(*command)
        assert scores(tmp_path)["s3"] == "3.6"


def scores(folder: Path) -> dict[str, str]:
    """What Gradescope's sheet says when it has been filled."""
    (folder / "sheet.csv").write_text(SHEET)
    grader("export", "gradescope", folder / "out", "--sheet", folder / "sheet.csv", "-o", folder / "filled.csv")
    sheet = Sheet((folder / "filled.csv").read_bytes())
    return {sheet.value(r, 1): sheet.value(r, 3) for r in range(1, len(sheet.rows))}


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs fork")
def test_the_best_of_several_attempts_is_on_the_page_and_nothing_is_graded_again_for_it(tmp_path: Path):
    tiny = Tiny(tmp_path / "tiny").write()
    path = tiny.assignment / "assignment.toml"
    path.write_text(f'attempts = "best"\n{path.read_text()}{LATE}')
    for name, text in {"attempt1": RIGHT, "attempt2": WRONG}.items():
        (tmp_path / "class" / "ada" / name).mkdir(parents=True)
        (tmp_path / "class" / "ada" / name / "submission.py").write_text(text)
    where = ["-a", tiny.assignment, "--reference", tiny.reference, "-o", tmp_path / "out", "--device", "cpu"]
    grader("grade", tmp_path / "class", *where, "--trust-submissions", "--json-lines")
    page = next((tmp_path / "out" / "students").glob("ada*")).read_text(encoding="utf-8")
    assert "2 attempts were graded: attempt1 counts, having the best grade, 4; the others: attempt2: 0." in page

    times = f"student,attempt,submitted_at\nada,1,{(DUE + timedelta(days=20)).isoformat()}\n"
    (tmp_path / "times.csv").write_text(times)
    again = grader("grade", tmp_path / "class", *where, "--json-lines", "--times", tmp_path / "times.csv").splitlines()
    assert json.loads(again[0])["left"] == 0
    assert "attempt2 counts" in grader("show", "ada", "-o", tmp_path / "out")
