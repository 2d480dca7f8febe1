"""Whose code was found alike in a class, kept in the folder of its grades, with the code that it was found in."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.model import Similarity, Submission

KEPT = "similarity.json"
SOURCES = "similarity-code.json.gz"
MOST_CHARACTERS = 500_000  # of one submission's code: what is kept of a class stays small


@dataclass(frozen=True)
class About:
    """Whose code is compared: everybody in the gradebook of an assignment, whose starter is in `handout`."""

    assignment: str
    students: frozenset[str]
    handout: Path


def keep(folder: Path, submissions: Sequence[Submission], about: About) -> Similarity:
    """Compare a class, minus the handout's starter, and keep what was found in `folder`.

    Who was not handed in this time is compared by the code that was kept of the last time.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # others would wait for more work, and burn a core doing so
    from grader.likeness import similarity  # it needs NumPy, which takes longer to load than pages to write

    starter = about.handout / "submission.py"
    given = starter.read_text(encoding="utf-8") if starter.is_file() else ""
    every = _sources(folder)
    now = {s.student_id: similarity.code(s.files)[:MOST_CHARACTERS] for s in submissions}
    sources = every.get(about.assignment, {}) | now
    every[about.assignment] = {student: sources[student] for student in sorted(sources) if student in about.students}
    _replace(folder / SOURCES, gzip.compress(json.dumps(every).encode(), mtime=0))
    found = similarity.similar(every[about.assignment], given)
    _replace(folder / KEPT, found.model_dump_json().encode())
    return found


def _sources(folder: Path) -> dict[str, dict[str, str]]:
    """The code that was kept: assignment -> student id -> code; none where it cannot be read."""
    try:
        every = json.loads(gzip.decompress((folder / SOURCES).read_bytes()))
    except (OSError, EOFError, ValueError, zlib.error):
        return {}
    return every if isinstance(every, dict) else {}


def _replace(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one."""
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_bytes(data)
    unfinished.replace(path)


def kept(folder: Path) -> Similarity | None:
    """What was kept in a folder; None where nothing was, or nothing that can be read."""
    try:
        return Similarity.model_validate_json((folder / KEPT).read_bytes())
    except (OSError, ValueError):
        return None
