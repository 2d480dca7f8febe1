"""One writer at a time: a lock of the operating system's on a file in the folder, which dies with its holder.

A process that is killed leaves the file behind and not the lock, so nothing has to guess whether a number in a file is
still the process that wrote it.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from grader.errors import StoreError
from grader.scratch import PREFIX

NAME = "grades.lock"
FAR = 1 << 30  # Windows locks bytes, and a locked byte cannot be read: one that is never written

if sys.platform == "win32":
    import msvcrt

    def _take(file: IO[str]) -> None:
        file.seek(FAR)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        file.seek(0)

else:
    import fcntl

    def _take(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Lock:
    """The right to write a folder's store. Raises StoreError that names the process that has it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        try:
            self._file = self._path.open("a+", encoding="utf-8")
        except OSError as e:
            raise StoreError(f"{folder} cannot be written ({e.strerror}): give another folder with -o.") from e
        try:
            _take(self._file)
        except OSError as e:
            with self._file:
                holder = _holder(self._file)
            raise StoreError(f"{folder} is being written by {holder}. Wait for it, or give another folder.") from e
        try:
            self._clear_away(_said(self._file).get("scratch"))
            self._say(scratch=None)
        except OSError as e:
            self._file.close()
            raise StoreError(f"{self._path} cannot be written ({e.strerror}).") from e

    def uses(self, scratch: str) -> None:
        """Note a temporary folder, which whoever comes next removes if this process is killed."""
        self._say(scratch=scratch)

    def _clear_away(self, scratch: object) -> None:
        """What a holder that was killed has left: it is dead, or we would not have the lock."""
        if isinstance(scratch, str) and Path(scratch).name.startswith(PREFIX):
            shutil.rmtree(scratch, ignore_errors=True)

    def _say(self, scratch: str | None) -> None:
        """Who holds it, for the sentence that another process gets; the lock itself is what counts."""
        about = {
            "pid": os.getpid(),
            "host": platform.node(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            "scratch": scratch,
        }
        self._file.seek(0)
        self._file.truncate()
        self._file.write(json.dumps(about))
        self._file.flush()

    def release(self) -> None:
        """Give it up."""
        self._file.close()


def _said(file: IO[str]) -> dict[str, Any]:
    """What the last holder wrote about itself; {} when that cannot be read."""
    file.seek(0)
    try:
        found = json.loads(file.read())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _holder(file: IO[str]) -> str:
    about = _said(file)
    if not about:
        return "another process"
    return f"process {about.get('pid')} on {about.get('host')} since {about.get('since')}"
