"""A connection to the store's file: made for this version of it, to read or to write, and its faults as sentences."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from grader.errors import StoreError
from grader.store import lock, schema

BUSY_SECONDS = 10.0  # another program (a backup, a browser of tables) may hold the file for a moment


def opened(path: Path, *, write: bool) -> sqlite3.Connection:
    """A connection to a store of this version; an older one is brought to it. Raises `StoreError` for a newer one."""
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
        with contextlib.nullcontext() if write else lock.held(path.parent):
            schema.migrate(connection)
    connection.execute(f"PRAGMA query_only = {'OFF' if write else 'ON'}")
    return connection


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """What sqlite says, as a sentence of ours."""
    try:
        yield
    except sqlite3.Error as e:
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


def _readable(path: Path) -> sqlite3.Connection:
    """A connection to read by; where nothing can be written (a DVD, an archive), the file as it lies there."""
    connection = _connected(path)
    try:
        schema.version(connection)
    except sqlite3.OperationalError:
        connection.close()
        if path.with_name(f"{path.name}-wal").exists():
            raise
        return _connected(f"{path.resolve().as_uri()}?immutable=1")
    return connection
