"""A connection to the store's file: made for this version of it, to read or to write, and its faults as sentences."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from grader.errors import StoreError
from grader.store import schema

DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
BUSY_SECONDS = 10.0  # another program (a backup, a browser of tables) may hold the file for a moment


def opened(path: Path, *, write: bool) -> sqlite3.Connection:
    """A connection to a store of this version; an older one is brought to it, to be read in memory only.

    Raises `StoreError` for a newer one.
    """
    connection = _connected(path) if write else _readable(path)
    found = schema.version(connection)
    if found > schema.VERSION:
        connection.close()
        raise StoreError(
            f"{path} has version {found}, written by a newer torchgrader; this one knows {schema.VERSION}."
        )
    if write:
        connection.execute("PRAGMA journal_mode = WAL")
    if found < schema.VERSION:
        connection = connection if write else _copied(connection)
        schema.migrate(connection)
    connection.execute(f"PRAGMA query_only = {'OFF' if write else 'ON'}")
    return connection


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """What sqlite says, as a sentence of ours."""
    try:
        yield
    except sqlite3.Error as e:
        if getattr(e, "sqlite_errorname", "").startswith(DAMAGED):
            raise StoreError(
                f"{path} is damaged ({e}): bring it back from a backup, or move it away and grade again. The pages and "
                f"the gradebook beside it are as they were last written."
            ) from e
        raise StoreError(
            f"{path}: {e}. What was written before is safe; see to the disk and its rights, then give the same command "
            f"again."
        ) from e


def _connected(path: Path | str) -> sqlite3.Connection:
    """A connection that commits each statement by itself, and waits for the disk."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, uri=isinstance(path, str))
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA recursive_triggers = ON")  # or REPLACE would go past the triggers that refuse it
    return connection


def _copied(connection: sqlite3.Connection) -> sqlite3.Connection:
    """The same in memory: whoever only reads an older store leaves it as it is, where it cannot be written, too."""
    with contextlib.closing(connection):
        copy = _connected(":memory:")
        connection.backup(copy)
    return copy


def _readable(path: Path) -> sqlite3.Connection:
    """A connection to read by; where nothing can be written (a DVD, an archive), the file as it lies there."""
    try:
        connection = _connected(path)
        schema.version(connection)
    except sqlite3.OperationalError:
        log = path.with_name(f"{path.name}-wal")
        if log.exists() and log.stat().st_size:
            raise
        return _connected(f"{path.resolve().as_uri()}?immutable=1")
    return connection
