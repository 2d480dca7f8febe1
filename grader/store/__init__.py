"""The store: everything that was graded, in one append-only file in the folder of the results.

A grading is a new row of `runs`; each finished question and each complete scorecard is a row the moment it is known,
in a transaction of its own, before anybody is told. Every row outlives every process of ours. Scorecards, and questions
whose network was trained, outlive the power too: they are on disk before anybody is told, and with them all that was
written before. Any other question is judged again in milliseconds; to wait for the disk for each took longer than all
else that is done for it here. What people add (marks, overrides) are rows too. Nothing is ever changed: what is current
is the newest of each, and totals are computed. Standard library and model only.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Set
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError

from grader.errors import StoreError, UsageError
from grader.model import Judged, Mark, Scorecard
from grader.store import connection, lock
from grader.store.rows import (
    Event,
    Kept,
    Kind,
    PastRun,
    Run,
    SubmissionKey,
    Withdrawal,
    event,
    kept,
    lapsed,
    marked,
    past,
)

__all__ = ["NAME", "Event", "Kept", "Kind", "PastRun", "Run", "Store", "SubmissionKey", "Withdrawal"]

NAME = "grades.sqlite"


class Store:
    """The grades in a folder. A context manager; with `write`, it is the folder's only writer."""

    def __init__(self, folder: Path, *, write: bool = False) -> None:
        self.folder = folder
        self._path = folder / NAME
        if not write and not self._path.is_file():
            raise UsageError(f"there are no grades in {folder}: wanted a folder that `grader grade -o` has filled.")
        self.lock = lock.Lock(folder) if write else None
        self._cards: dict[int, Scorecard] = {}  # read once: rows never change
        try:
            with connection.explained(self._path):
                self._connection = connection.opened(self._path, write=write)
        except BaseException:
            self._release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()
        self._release()

    def _release(self) -> None:
        if self.lock:
            self.lock.release()

    # ------------------------------------------------------------------------------------------------------- writing

    def begin(self, run: Run, submissions: list[SubmissionKey]) -> int:
        """A new run over these submissions; its id."""
        values = {**run.__dict__, "started": _now(), "environment": json.dumps(dict(run.environment))}
        with connection.explained(self._path), self._transaction():
            number = self._insert("runs", values)
            rows = [(number, student, digest) for student, digest in submissions]
            self._connection.executemany("INSERT INTO submissions VALUES (?, ?, ?)", rows)
        return number

    def end(self, run: int, how: str) -> None:
        """How a run ended."""
        with connection.explained(self._path):
            self._insert("endings", {"run": run, "at": _now(), "how": how})

    def add_question(self, run: int, key: SubmissionKey, assignment: str, basis: str, judged: Judged) -> None:
        """A finished question. On disk when this returns where a network was trained, else with the next scorecard."""
        student, digest = key
        values = {
            "run": run,
            "at": _now(),
            "assignment": assignment,
            "student": student,
            "submission": digest,
            "basis": basis,
            "question": judged.question.id,
            "final": judged.final,
            "result": judged.model_dump_json(round_trip=True),
        }
        with connection.explained(self._path), contextlib.nullcontext() if judged.model else self._unhurried():
            self._insert("questions", values)

    def add_scorecard(self, run: int, card: Scorecard, basis: str) -> int:
        """A complete scorecard, without what people added; on disk when this returns. Its id."""
        values = {
            "run": run,
            "at": _now(),
            "assignment": card.assignment,
            "student": card.student_id,
            "submission": card.submission_digest,
            "basis": basis,
            "final": card.final,
            "level": card.isolation.level,
            "card": card.model_dump_json(round_trip=True),
        }
        with connection.explained(self._path):
            number = self._insert("scorecards", values)
        self._cards[number] = card
        return number

    def add_mark(self, card: Scorecard, question: str, kind: Kind, mark: Mark, *, withdrawn: bool = False) -> None:
        """What a person decided on a question of the submission that `card` is of."""
        values = {
            "at": mark.at,
            "who": mark.who,
            "why": mark.why,
            "assignment": card.assignment,
            "student": card.student_id,
            "submission": card.submission_digest,
            "question": question,
            "kind": kind,
            "points": None if withdrawn else mark.points,
        }
        with connection.explained(self._path):
            self._insert("marks", values)

    def withdraw(self, card: Scorecard, who: str, why: str, *, back: bool = False) -> None:
        """Take the submission that `card` is of out of the gradebook, or put it `back`; another one is not meant."""
        key = {"assignment": card.assignment, "student": card.student_id, "submission": card.submission_digest}
        with connection.explained(self._path):
            self._insert("withdrawals", {"at": _now(), "who": who, "why": why, **key, "back": back})

    def set_pages(self, sources: Mapping[str, str]) -> None:
        """From what pages were rendered, by path. One that is forgotten is rendered again."""
        with connection.explained(self._path), self._unhurried(), self._transaction():
            self._connection.executemany("INSERT OR REPLACE INTO pages VALUES (?, ?)", list(sources.items()))

    def _insert(self, table: str, values: Mapping[str, Any]) -> int:
        columns = ", ".join(values)
        marks = ", ".join("?" * len(values))
        found = self._connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", list(values.values()))  # noqa: S608  # our own names
        return int(found.lastrowid or 0)

    @contextlib.contextmanager
    def _unhurried(self) -> Iterator[None]:
        """What is written here does not wait for the disk; the next that does takes it along."""
        self._connection.execute("PRAGMA synchronous = NORMAL")
        try:
            yield
        finally:
            self._connection.execute("PRAGMA synchronous = FULL")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    # ------------------------------------------------------------------------------------------------------- reading

    def runs(self) -> list[PastRun]:
        """Every run, the oldest first."""
        counted = (
            "SELECT runs.*, endings.at AS ended, endings.how AS how, "
            "(SELECT count(*) FROM submissions WHERE run = runs.id) AS submissions, "
            "(SELECT count(DISTINCT student || ' ' || submission) FROM scorecards WHERE run = runs.id) AS graded "
            "FROM runs LEFT JOIN endings ON endings.run = runs.id ORDER BY runs.id"
        )
        return [past(row) for row in self._select(counted)]

    def current(self, assignment: str, *, withdrawn: bool = False) -> list[Kept]:
        """The newest complete scorecard of each student, with the marks that hold, sorted by student.

        Without those that were taken out of the gradebook, unless `withdrawn`.
        """
        view = "newest_scorecards" if withdrawn else "current_scorecards"
        rows = self._select(f"SELECT * FROM {view} WHERE assignment = ? ORDER BY student", assignment)  # noqa: S608  # ours
        marks = self._marks(assignment)
        return [kept(row, self._card(row), marks) for row in rows]

    def marked(self, card: Scorecard) -> Scorecard:
        """A scorecard with the marks that hold for it."""
        return marked(card, self._marks(card.assignment).get((card.student_id, card.submission_digest), []))

    def history(self, assignment: str, student: str) -> list[Kept]:
        """Every complete scorecard of a student, the oldest first, without marks."""
        query = "SELECT * FROM scorecards WHERE assignment = ? AND student = ? ORDER BY id"
        return [kept(row, self._card(row), {}) for row in self._select(query, assignment, student)]

    def _card(self, row: sqlite3.Row) -> Scorecard:
        if row["id"] not in self._cards:
            with self._known():
                self._cards[row["id"]] = Scorecard.model_validate_json(row["card"])
        return self._cards[row["id"]]

    def events(self, assignment: str, student: str) -> list[Event]:
        """Everything that people decided on a student's submissions, the oldest first."""
        query = "SELECT * FROM marks WHERE assignment = ? AND student = ? ORDER BY id"
        return [event(row) for row in self._select(query, assignment, student)]

    def lapsed(self, assignment: str) -> list[Event]:
        """The points that people gave for current submissions, and that do not fit what their questions give by now."""
        marks = self._marks(assignment)
        keys = [(k.graded, (k.graded.student_id, k.graded.submission_digest)) for k in self.current(assignment)]
        return [event for card, key in keys for event in lapsed(card, marks.get(key, []))]

    def withdrawals(self, assignment: str, student: str) -> list[Withdrawal]:
        """Each time that a submission of a student's was taken out of the gradebook or put back, the oldest first."""
        query = "SELECT at, who, why, student, submission, back FROM withdrawals WHERE assignment = ? AND student = ?"
        rows = self._select(f"{query} ORDER BY id", assignment, student)
        return [Withdrawal(**{**row, "back": bool(row["back"])}) for row in rows]

    def withdrawn(self, assignment: str) -> dict[str, Withdrawal]:
        """Whose newest submission was taken out of the gradebook, by student."""
        rows = self._select(
            "SELECT at, who, why, student, submission FROM current_withdrawals AS taken WHERE assignment = ? AND "
            "(student, submission) IN (SELECT student, submission FROM newest_scorecards "
            "WHERE assignment = taken.assignment)",
            assignment,
        )
        return {row["student"]: Withdrawal(**row) for row in rows}

    def finished(
        self, assignment: str, keys: Set[SubmissionKey], level: int = 0, basis: str | None = None
    ) -> dict[SubmissionKey, dict[str, Judged]]:
        """The finished questions of these submissions, the newest of each; on any basis, or on this one alone.

        `level` is the isolation level that their run must have required.
        """
        if not keys:
            return {}
        rows = self._select(
            "SELECT student, submission, question, result FROM questions JOIN runs ON runs.id = questions.run "
            "WHERE questions.assignment = ? AND final AND isolation >= ? AND (questions.basis = ? OR ? IS NULL) "
            "ORDER BY questions.id",
            assignment,
            level,
            basis,
            basis,
        )
        newest = {(r["student"], r["submission"], r["question"]): r["result"] for r in rows}
        found: dict[SubmissionKey, dict[str, Judged]] = {}
        with self._known():
            for (student, digest, question), result in newest.items():
                if (student, digest) in keys:
                    found.setdefault((student, digest), {})[question] = Judged.model_validate_json(result)
        return found

    def pages(self) -> dict[str, str]:
        """From what each page was rendered, by path."""
        return {row["path"]: row["source"] for row in self._select("SELECT * FROM pages")}

    def _marks(self, assignment: str) -> dict[SubmissionKey, list[sqlite3.Row]]:
        found: dict[SubmissionKey, list[sqlite3.Row]] = {}
        for row in self._select("SELECT * FROM current_marks WHERE assignment = ? AND points IS NOT NULL", assignment):
            found.setdefault((row["student"], row["submission"]), []).append(row)
        return found

    @contextlib.contextmanager
    def _known(self) -> Iterator[None]:
        """While a row is read: its fields may be those of another version."""
        try:
            yield
        except ValidationError as e:
            engine = next((r.run.engine for r in reversed(self.runs())), "?")
            raise StoreError(
                f"{self._path} holds a result whose form is not known here ({e.errors()[0]['msg']}): it was last "
                f"written by torchgrader {engine}. Use that version; nothing was changed."
            ) from e

    def _select(self, query: str, *values: object) -> list[sqlite3.Row]:
        with connection.explained(self._path):
            return self._connection.execute(query, values).fetchall()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
