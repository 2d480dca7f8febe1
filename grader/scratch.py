"""Temporary folders that go even when their process is killed: the next one to be made takes what was left away.

Standard library only. A folder is locked for as long as its process lives, and the kernel takes the lock back whichever
way that ends; a process id would not do, for folders are shared between containers that count theirs apart.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
import time
from pathlib import Path

if sys.platform != "win32":  # where folders go when they are closed, and only then
    import fcntl

PREFIX = "torchgrader."
NEW_SECONDS = 60.0  # a younger folder may be one that its process is about to lock


class Scratch:
    """A temporary folder, `path`, that `close` removes; a context manager too. `kind` is a part of its name."""

    def __init__(self, kind: str) -> None:
        remove_left_over()
        self.path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{kind}."))
        self._held = _lock(self.path)

    def close(self) -> None:
        """Remove it and what is in it; what cannot be removed stays for the next one."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.close()


def remove_left_over() -> None:
    """Remove the folders of this user's that no living process holds."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if _may_go(path) and (held := _lock(path)) is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(held)


def _may_go(path: Path) -> bool:
    """Whether it is a folder, not a link to one, of our own, and old enough. Raises OSError when it is gone."""
    found = path.lstat()
    ours = hasattr(os, "geteuid") and found.st_uid == os.geteuid()
    return ours and stat.S_ISDIR(found.st_mode) and time.time() - found.st_ctime > NEW_SECONDS


def _lock(path: Path) -> int | None:
    """A descriptor that holds the folder; None when another process holds it. Raises OSError when it is gone."""
    if sys.platform == "win32":
        return None
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd
