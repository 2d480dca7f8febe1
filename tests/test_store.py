from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from grader import content
from grader.errors import StoreError, UsageError
from grader.model import Judged, Mark, Scorecard, Verdict
from grader.store import NAME, Run, Store, schema
from grader.store.basis import NO_GRADING, code_digest
from tests import gradebooks

ROOT = Path(__file__).resolve().parent.parent
RUN = Run("tiny", "a", "r", "0.1.0", "3.11", "2.6", "cpu", 0, "quick", "", 0, "b1", {"title": "Twice"})


def card(student: str = "ada", *verdicts: Verdict, digest: str = "d1") -> Scorecard:
    found = gradebooks.failing(student, *(verdicts or (Verdict.PASSED, Verdict.FAILED)))
    return found.model_copy(update={"assignment": "tiny", "submission_digest": digest})


def mark(points: float) -> Mark:
    return Mark(points=points, who="lin", at="2026-01-02T03:04:05+00:00", why="I read it.")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    with Store(tmp_path, write=True) as store:
        yield store


def test_the_newest_complete_scorecard_of_each_student_is_current(store: Store):
    run = store.begin(RUN, [("ada", "d1"), ("bob", "d1")])
    for one in (card(), card("bob"), card(digest="d2")):
        store.add_scorecard(run, one, "b1")
    assert [(k.card.student_id, k.card.submission_digest) for k in store.current("tiny")] == [
        ("ada", "d2"),
        ("bob", "d1"),
    ]
    assert [k.card.submission_digest for k in store.history("tiny", "ada")] == ["d1", "d2"]
    assert store.current("another") == []


def test_what_comes_back_is_what_was_put_in(store: Store):
    store.add_scorecard(store.begin(RUN, []), card(), "b1")
    with Store(store.folder) as other:
        assert store.current("tiny")[0].card == other.current("tiny")[0].card == card()


def test_a_scorecard_and_a_training_wait_for_the_disk_and_take_along_what_did_not(store: Store):
    run, said = store.begin(RUN, [("ada", "d1")]), list[str]()
    store._connection.set_trace_callback(said.append)
    layer = Judged(question=card().questions[0])
    network = layer.model_copy(update={"model": gradebooks.scorecard("ada").models[0]})
    for judged in (layer, network):
        store.add_question(run, ("ada", "d1"), "tiny", "b1", judged)
    store.set_pages({"students/ada.html": "x"})
    store.add_scorecard(run, card(), "b1")
    waits, order = "FULL", []
    for statement in said:
        if statement.startswith("PRAGMA synchronous"):
            waits = statement.rpartition(" ")[2]
        elif statement.startswith("INSERT"):
            order.append((statement.split(" INTO ")[1].split(" ")[0], waits))
    assert order == [("questions", "NORMAL"), ("questions", "FULL"), ("pages", "NORMAL"), ("scorecards", "FULL")]


@pytest.mark.parametrize("table", schema.JOURNAL)
@pytest.mark.parametrize("act", ["UPDATE {} SET rowid = rowid", "DELETE FROM {}"])
def test_the_journal_refuses_to_be_changed(store: Store, table: str, act: str):
    run = store.begin(RUN, [("ada", "d1")])
    store.end(run, "finished")
    store.add_scorecard(run, card(), "b1")
    store.add_question(run, ("ada", "d1"), "tiny", "b1", Judged(question=card().questions[0]))
    store.add_mark(card(), "q1", "override", mark(0))
    store.withdraw(card(), "lin", "left the course")
    with sqlite3.connect(store.folder / NAME) as other, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        other.execute(act.format(table))


def test_a_row_cannot_be_replaced_either(store: Store):
    store.begin(RUN, [])
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        store._connection.execute("INSERT OR REPLACE INTO runs SELECT * FROM runs")


def test_only_final_questions_of_the_basis_and_of_what_was_handed_in_count_as_finished(store: Store):
    run = store.begin(RUN, [])
    good, bad = Judged(question=card().questions[0]), Judged(question=card("ada", Verdict.INTERNAL).questions[0])
    for key, basis, judged in [
        (("ada", "d1"), "b1", good),
        (("bob", "d1"), "b1", bad),
        (("cy", "d1"), "old", good),
        (("dan", "old"), "b1", good),
    ]:
        store.add_question(run, key, "tiny", basis, judged)
    keys = {(student, "d1") for student in ("ada", "bob", "cy", "dan")}
    assert store.finished("tiny", keys, basis="b1") == {("ada", "d1"): {good.question.id: good}}
    assert set(store.finished("tiny", keys)) == {("ada", "d1"), ("cy", "d1")}


def test_points_that_a_person_gave_hold_for_what_they_were_given_for_and_for_nothing_else(store: Store):
    run = store.begin(RUN, [])
    first, question = card(), card().questions[0]
    store.add_scorecard(run, first, "b1")
    store.add_mark(first, question.id, "override", mark(0.5))
    assert store.current("tiny")[0].card.questions[0].points == 0.5
    store.add_scorecard(run, card(digest="d2"), "b1")
    assert store.current("tiny")[0].card.questions[0].override is None
    assert [(e.points, e.submission) for e in store.events("tiny", "ada")] == [(0.5, "d1")]


def test_the_newest_mark_counts_and_one_can_be_withdrawn(store: Store):
    store.add_scorecard(store.begin(RUN, []), card(), "b1")
    question = card().questions[0]
    for points in (0.25, 1):
        store.add_mark(card(), question.id, "override", mark(points))
    assert store.current("tiny")[0].card.points == 1
    store.add_mark(card(), question.id, "override", mark(0), withdrawn=True)
    assert store.current("tiny")[0].card.points == card().points


def test_points_that_no_longer_fit_the_assignment_are_not_given(store: Store):
    store.add_scorecard(store.begin(RUN, []), card(), "b1")
    store.add_mark(card(), card().questions[0].id, "override", mark(1))
    assert store.lapsed("tiny") == []
    store.add_mark(card(), card().questions[0].id, "override", mark(99))
    assert store.current("tiny")[0].card.points == card().points
    assert [(e.student, e.points, e.who) for e in store.lapsed("tiny")] == [("ada", 99, "lin")]


def test_runs_say_how_they_ended(store: Store):
    first, _ = store.begin(RUN, [("ada", "d1")]), store.begin(RUN, [])
    store.add_scorecard(first, card(), "b1")
    store.end(first, "finished")
    found = [(r.how, r.submissions, r.graded, r.run) for r in store.runs()]
    assert found == [("finished", 1, 1, RUN), ("", 0, 0, RUN)]


def test_a_second_writer_is_refused_and_told_who_writes(store: Store):
    with pytest.raises(StoreError, match=f"is being written by process {os.getpid()} on "):
        Store(store.folder, write=True)
    with Store(store.folder) as reader:
        assert reader.runs() == []


@pytest.mark.slow
def test_the_lock_dies_with_its_holder(tmp_path: Path):
    code = "import os, sys, pathlib; from grader.store import Store\n"
    code += "store = Store(pathlib.Path(sys.argv[1]), write=True); os.kill(os.getpid(), 9)"
    ended = subprocess.run([sys.executable, "-c", code, tmp_path], check=False, cwd=ROOT)
    assert (ended.returncode, (tmp_path / "grades.lock").is_file()) == (-9, True)
    with Store(tmp_path, write=True) as store:
        assert store.runs() == []


def test_whoever_comes_after_a_killed_process_removes_its_temporary_folder(tmp_path: Path):
    left = tmp_path / "torchgrader.left"
    left.mkdir()
    with Store(tmp_path, write=True) as store:
        store.lock.uses(str(left))
    with Store(tmp_path, write=True):
        assert not left.exists()


def test_a_reader_writes_nothing(store: Store):
    with Store(store.folder) as reader, pytest.raises(StoreError, match="readonly"):
        reader.begin(RUN, [])


def test_a_folder_without_grades_is_said_to_be_one(tmp_path: Path):
    with pytest.raises(UsageError, match=r"no grades in .*grader grade -o"):
        Store(tmp_path)


def test_a_file_that_is_no_store_is_refused(tmp_path: Path):
    (tmp_path / NAME).write_text("these are not the grades that you look for" * 100)
    with pytest.raises(StoreError, match=r"is damaged \(file is not a database\): bring it back from a backup"):
        Store(tmp_path, write=True)


def test_grades_are_read_where_nothing_can_be_written(tmp_path: Path):
    with Store(tmp_path, write=True) as store:
        store.add_scorecard(store.begin(RUN, []), card(), "b1")
    (tmp_path / f"{NAME}-wal").symlink_to("nowhere")  # root may write anywhere, but sqlite through no link
    with Store(tmp_path) as store:
        assert [k.card for k in store.current("tiny")] == [card()]


def test_a_result_of_another_version_is_refused_with_that_version(store: Store):
    store.add_scorecard(store.begin(RUN, []), card(), "b1")
    newer = card().model_dump_json(round_trip=True).replace("{", '{"novelty": 1, ', 1)
    again = "INSERT INTO scorecards SELECT NULL, run, at, assignment, student, submission, basis, final, level, ?"
    with sqlite3.connect(store.folder / NAME) as other:
        other.execute(f"{again} FROM scorecards", [newer])
    with pytest.raises(StoreError, match=r"form is not known here .* by torchgrader 0.1.0"):
        store.current("tiny")


def test_what_was_taken_out_is_kept_and_stays_out_until_it_is_put_back_or_another_is_handed_in(store: Store):
    run = store.begin(RUN, [])
    for one in (card(), card("bob"), card("bob")):
        store.add_scorecard(run, one, "b1")
    store.withdraw(card("bob"), "lin", "left the course")
    store.add_scorecard(run, card("bob"), "b2")
    assert [k.card.student_id for k in store.current("tiny")] == ["ada"]
    assert (store.withdrawn("tiny")["bob"].why, len(store.history("tiny", "bob"))) == ("left the course", 3)
    store.withdraw(card("bob"), "lin", "", back=True)
    assert (len(store.current("tiny")), store.withdrawn("tiny")) == (2, {})
    store.withdraw(card("bob"), "lin", "again")
    store.add_scorecard(run, card("bob", digest="d2"), "b1")
    assert (len(store.current("tiny")), store.withdrawn("tiny")) == (2, {})


def test_code_that_grades_is_part_of_the_basis_and_code_that_shows_is_not(tmp_path: Path):
    for name in ("wire.py", "report/table.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    before = code_digest(tmp_path)
    (tmp_path / "report" / "table.py").write_text("# of another form")
    assert code_digest(tmp_path) == before
    (tmp_path / "wire.py").write_text("# of another form")
    assert code_digest(tmp_path) != before


def test_what_is_no_part_of_the_basis_is_there():
    beside = {"assignments", "reports"}  # in a wheel they are inside
    assert all((content.PACKAGE / name).exists() for name in NO_GRADING - beside)


def first_version(folder: Path) -> Path:
    """A store as the first version wrote it."""
    with sqlite3.connect(folder / NAME) as connection:
        connection.executescript((ROOT / "tests" / "stores" / "v1.sql").read_text(encoding="utf-8"))
    return folder


@pytest.mark.parametrize("write", [False, True])
def test_a_store_of_the_first_version_is_brought_to_this_one_with_all_that_it_holds(tmp_path: Path, write: bool):
    with Store(first_version(tmp_path), write=write) as store:
        (kept,) = store.current("tiny")
        assert (kept.card.student_id, kept.card.points, kept.card.questions[0].override.who) == ("ada", 2.5, "lin")
        assert list(store.finished("tiny", {("ada", "d1")}, basis="b1")) == [("ada", "d1")]
        assert schema.version(store._connection) == schema.VERSION > 1
        assert store.pages() == {}


@pytest.mark.parametrize("number", range(1, schema.VERSION))
def test_a_store_of_any_earlier_version_is_written_on(tmp_path: Path, number: int):
    path = first_version(tmp_path) / NAME
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for migration in schema.MIGRATIONS[1:number]:
            migration(connection)
        connection.execute(f"PRAGMA user_version = {number}")
    before = path.read_bytes()
    with Store(tmp_path) as reader:
        (kept,) = reader.current("tiny")
    assert path.read_bytes() == before
    with Store(tmp_path, write=True) as store:
        store.withdraw(kept.card, "lin", "left the course")
        assert (store.current("tiny"), list(store.withdrawn("tiny"))) == ([], ["ada"])


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first_version(tmp_path)
    monkeypatch.setattr(schema, "PAGES", "CREATE TABLE pages (x); CREATE TABLE pages (x);\n")
    with pytest.raises(StoreError):
        Store(tmp_path, write=True)
    monkeypatch.undo()
    with Store(tmp_path, write=True) as store:
        assert len(store.current("tiny")) == 1


def test_a_store_of_a_newer_torchgrader_is_left_alone(store: Store):
    with sqlite3.connect(store.folder / NAME) as other:
        other.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    with pytest.raises(StoreError, match="newer torchgrader"):
        Store(store.folder)
