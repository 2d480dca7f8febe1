"""The tables of a store, and how a store of an older version becomes one of this version.

The journal's tables are append-only: their triggers refuse to change or remove a row. What is current is a view over
them. `pages` is no journal: it says from what each page was rendered, and may be thrown away.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

FIRST_JOURNAL = ("runs", "endings", "submissions", "questions", "scorecards", "marks")
JOURNAL = (*FIRST_JOURNAL, "withdrawals")

FIRST = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    started TEXT NOT NULL,
    assignment TEXT NOT NULL,
    assignment_digest TEXT NOT NULL,
    reference_digest TEXT NOT NULL,
    engine TEXT NOT NULL,
    python TEXT NOT NULL,
    torch TEXT NOT NULL,
    device TEXT NOT NULL,
    seed INTEGER NOT NULL,
    recipe TEXT NOT NULL,
    data_digest TEXT NOT NULL,
    isolation INTEGER NOT NULL,
    basis TEXT NOT NULL,
    environment TEXT NOT NULL
);
CREATE TABLE endings (
    run INTEGER NOT NULL REFERENCES runs,
    at TEXT NOT NULL,
    how TEXT NOT NULL
);
CREATE TABLE submissions (
    run INTEGER NOT NULL REFERENCES runs,
    student TEXT NOT NULL,
    digest TEXT NOT NULL
);
CREATE TABLE questions (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs,
    at TEXT NOT NULL,
    assignment TEXT NOT NULL,
    student TEXT NOT NULL,
    submission TEXT NOT NULL,
    basis TEXT NOT NULL,
    question TEXT NOT NULL,
    final INTEGER NOT NULL,
    result TEXT NOT NULL
);
CREATE TABLE scorecards (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs,
    at TEXT NOT NULL,
    assignment TEXT NOT NULL,
    student TEXT NOT NULL,
    submission TEXT NOT NULL,
    basis TEXT NOT NULL,
    final INTEGER NOT NULL,
    level INTEGER NOT NULL,
    card TEXT NOT NULL
);
CREATE TABLE marks (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    assignment TEXT NOT NULL,
    student TEXT NOT NULL,
    submission TEXT NOT NULL,
    question TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('mark', 'override')),
    points REAL CHECK (points >= 0)
);
CREATE INDEX questions_of ON questions (student, submission, basis);
CREATE INDEX scorecards_of ON scorecards (assignment, student);
CREATE INDEX marks_of ON marks (assignment, student);
CREATE VIEW current_scorecards AS
    SELECT * FROM scorecards WHERE id IN (SELECT max(id) FROM scorecards GROUP BY assignment, student);
CREATE VIEW current_marks AS
    SELECT * FROM marks
    WHERE id IN (SELECT max(id) FROM marks GROUP BY assignment, student, submission, question, kind);
"""

PAGES = "CREATE TABLE pages (path TEXT PRIMARY KEY, source TEXT NOT NULL) WITHOUT ROWID;"

WITHDRAWALS = """
CREATE TABLE withdrawals (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    assignment TEXT NOT NULL,
    student TEXT NOT NULL,
    submission TEXT NOT NULL,
    back INTEGER NOT NULL
);
CREATE VIEW current_withdrawals AS
    SELECT * FROM withdrawals
    WHERE id IN (SELECT max(id) FROM withdrawals GROUP BY assignment, student, submission) AND NOT back;
CREATE VIEW newest_scorecards AS
    SELECT * FROM scorecards WHERE id IN (SELECT max(id) FROM scorecards GROUP BY assignment, student);
DROP VIEW current_scorecards;
CREATE VIEW current_scorecards AS
    SELECT * FROM newest_scorecards WHERE (assignment, student, submission) NOT IN
    (SELECT assignment, student, submission FROM current_withdrawals);
"""


def _first(connection: sqlite3.Connection) -> None:
    _run(connection, FIRST)
    for table in FIRST_JOURNAL:
        _append_only(connection, table)


def _second(connection: sqlite3.Connection) -> None:
    """From what each page was rendered, so that a page is only rendered again when something on it has changed."""
    _run(connection, PAGES)


def _third(connection: sqlite3.Connection) -> None:
    """Submissions that a person took out of the gradebook, or put back."""
    _run(connection, WITHDRAWALS)
    _append_only(connection, "withdrawals")


def _append_only(connection: sqlite3.Connection, table: str) -> None:
    for act in ("UPDATE", "DELETE"):
        connection.execute(
            f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_first, _second, _third)
"""The n-th makes version n of the version before it."""

VERSION = len(MIGRATIONS)


def version(connection: sqlite3.Connection) -> int:
    """The version of an open store; 0 is an empty file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a store to this version, wholly or not at all. The connection commits by itself (isolation level None)."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number in range(version(connection), VERSION):
            MIGRATIONS[number](connection)
            connection.execute(f"PRAGMA user_version = {number + 1}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _run(connection: sqlite3.Connection, script: str) -> None:
    """Several statements inside the open transaction, which executescript would commit first."""
    for statement in script.split(";\n"):
        if statement.strip():
            connection.execute(statement)
