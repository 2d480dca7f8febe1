"""The files below a folder, as entries: links are never followed, and nothing is read that is too large."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from grader.errors import UsageError
from grader.intake.entries import (
    ENVIRONMENTS,
    SOURCES,
    Caps,
    Entry,
    Kind,
    Unreadable,
    is_debris,
    limit_of,
    nothing_in,
    reason,
    shown,
    suffix_of,
    too_large,
)


def walk(root: Path, caps: Caps) -> Iterator[Entry]:
    """The entries below a folder, in order. Each student's part is cut off one past `student_files`."""
    for count, entry in enumerate(_walk_container(root, (), caps)):
        if count >= caps.entries:
            raise UsageError(
                f"{shown(root)} holds more than {caps.entries:,} files: give the folder of submissions itself."
            )
        yield entry


def _walk_container(folder: Path, above: tuple[str, ...], caps: Caps) -> Iterator[Entry]:
    """A folder that holds students: every folder in it has its own allowance, so that one cannot use up another's."""
    children = _children(folder, caps.entries)
    folders = [c for c in children if c.is_dir(follow_symlinks=False)]
    wrapper = len(folders) == 1 and not any(suffix_of(c.name) in SOURCES for c in children) and len(above) < caps.depth
    for child in children:
        path = (*above, child.name)
        if not child.is_dir(follow_symlinks=False):
            yield _entry_of(child, path, caps)
        elif wrapper:
            yield from _walk_container(Path(child.path), path, caps)
        else:
            yield from _walk_student(Path(child.path), path, caps)


def _walk_student(folder: Path, above: tuple[str, ...], caps: Caps) -> Iterator[Entry]:
    """Everything below a student's folder, breadth first, up to one entry past the limit; an empty folder is shown."""
    pending, found = [(folder, above)], 0
    while pending and found <= caps.student_files:
        here, path = pending.pop(0)
        children = _children(here, caps.student_files + 1)
        if not children:
            yield nothing_in(path)
        for child in children:
            part = (*path, child.name)
            if not child.is_dir(follow_symlinks=False):
                found += 1
                yield _entry_of(child, part, caps)
            elif len(part) < caps.depth:
                pending.append((Path(child.path), part))


def _children(folder: Path, limit: int) -> list[os.DirEntry[str]]:
    """What a folder holds but debris and environments, sorted, at most `limit`; nothing if it cannot be opened."""
    found: list[os.DirEntry[str]] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not is_debris(entry.name) and entry.name.lower() not in ENVIRONMENTS:
                    found.append(entry)
                if len(found) > limit:
                    break
    except OSError:
        return []
    return sorted(found, key=lambda e: e.name)


def _entry_of(child: os.DirEntry[str], path: tuple[str, ...], caps: Caps) -> Entry:
    info = child.stat(follow_symlinks=False)
    kind = Kind.FILE if stat.S_ISREG(info.st_mode) else Kind.LINK if stat.S_ISLNK(info.st_mode) else Kind.SPECIAL
    file = Path(child.path)
    return Entry(path, kind, info.st_size, lambda: read_file(file, caps), info.st_mtime)


def read_file(path: Path, caps: Caps) -> bytes:
    """The bytes of a regular file; never through a link, never waiting on a pipe, never past the limit."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    limit = limit_of(path.name, caps)
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Unreadable(f"{shown(path.name)} is not a plain file: hand in the file itself.")
            data = file.read(limit + 1)
    except OSError as e:
        raise Unreadable(f"{shown(path.name)} cannot be read ({reason(e)}): hand it in again.") from e
    if len(data) > limit:
        raise Unreadable(too_large(path.name, len(data), caps))
    return data
