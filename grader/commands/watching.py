"""Doing something again after each save."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from grader.commands.shared import EXPLAINED, OK, complain, out
from grader.errors import GraderError

POLL_SECONDS = 0.1
SETTLE_SECONDS = 0.1
SOURCES = (".py", ".ipynb")

Stamp = tuple[tuple[str, int, int], ...]
"""Name, time of the last change in ns, and size of each file: another state has another stamp."""


def watch(path: Path, do: Callable[[], int]) -> int:
    """Do it, and again after each save of the file or of a source in the folder, until Ctrl-C; the last exit code.

    The stamp is taken before the work begins, so that a save in the middle of it counts as one after it.
    """
    code = OK
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            seen = stamp(path)
            try:
                code = do()
            except GraderError as e:  # a file that is half written, or gone for a moment: the next save may mend it
                complain(str(e))
                code = EXPLAINED
            out.print(f"Watching {path}: save it and it is checked again; Ctrl-C ends.", style="dim", soft_wrap=True)
            _until_saved(path, seen)
    return code


def stamp(path: Path) -> Stamp:
    """The state of a file, or of the sources in a folder; empty where there is none."""
    files = [p for p in path.rglob("*") if p.suffix in SOURCES] if path.is_dir() else [path]
    found = []
    for file in files:
        with contextlib.suppress(OSError):
            known = file.stat()
            found.append((str(file), known.st_mtime_ns, known.st_size))
    return tuple(sorted(found))


def _until_saved(path: Path, seen: Stamp) -> None:
    """Wait for another state, and until it lasts: some editors write in several steps."""
    now = stamp(path)
    is_told = False
    while now == seen or not now:
        if not (now or is_told):
            is_told = True
            out.print(f"{path} is not there any more; it is checked when it is back.", style="dim", soft_wrap=True)
        time.sleep(POLL_SECONDS)
        now = stamp(path)
    while (later := _a_moment_later(path)) != now:
        now = later


def _a_moment_later(path: Path) -> Stamp:
    time.sleep(SETTLE_SECONDS)
    return stamp(path)
