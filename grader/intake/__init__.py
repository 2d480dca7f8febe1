"""A file, a folder or a zip as handed in -> Submissions. Trusted: it copies bytes, and never parses or runs code.

What is taken, and whose it is:

- A `.py` or `.ipynb` file is one student's. The id is its name without the ending, or its folder's name if the file is
  called `submission`.
- A folder that directly holds `submission.*` or `q1...`, `q2...` files is one student's, with all that lies below it.
- Otherwise every `.py` or `.ipynb` directly inside is one student's, and every sub folder is one student's, however
  deep its files lie ("a folder inside a folder").
- A folder that holds nothing but one folder is a wrapper and stands for it, if that one is named like the wrapper or
  `submissions`, or holds folders only; otherwise it is the only student's.
- A zip is the folder that it holds. So is one in the input that holds all the code of a student; none inside that one.

Everything here may be hostile: names, sizes, links, devices, archives. Nothing is ever written, links are never
followed, only `.py` and `.ipynb` are read, and every number is held against `Caps` first. A fault of the whole input is
a `UsageError`; a fault of one submission is its `problem`, and the others go on.
"""

from __future__ import annotations

import re
import stat
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from grader.errors import UsageError
from grader.intake.entries import (
    ARCHIVES,
    CAPS,
    MB,
    NEVER_PASSED_ON,
    SOURCES,
    Caps,
    Entry,
    Kind,
    Unreadable,
    in_words,
    limit_of,
    reason,
    safe,
    shown,
    suffix_of,
)
from grader.intake.folders import read_file, walk
from grader.intake.handed import is_attempt, listed, sources_of, submission
from grader.intake.zips import DAMAGED, inspect, members, opened
from grader.model import Submission

__all__ = [
    "CAPS",
    "MB",
    "Caps",
    "Entry",
    "Intake",
    "Kind",
    "Unreadable",
    "by_place",
    "collect",
    "listed",
    "safe",
    "shown",
    "take",
    "whole",
]

# One or two digits: "q36094123" is a student's number.
ONE_STUDENT = re.compile(r"(submission|q\d{1,2}([_\- ].*)?)\.(py|ipynb)", re.IGNORECASE)
WANTED = "wanted a .py or .ipynb file, a folder of them, a folder of student folders, or a zip of any of these"


@dataclass(frozen=True)
class Intake:
    """Everything that was handed in; `skipped` tells of files that are nobody's."""

    submissions: tuple[Submission, ...]
    skipped: tuple[str, ...] = ()


def collect(path: Path) -> list[Submission]:
    """The submissions in a file, folder or zip, sorted by id. Raises `UsageError` when the input is unfit."""
    return list(take(path).submissions)


def take(path: Path, caps: Caps = CAPS, share: Share | None = None) -> Intake:
    """As `collect`, with what is nobody's; `share` says whose is what, if not the rules above. Raises `UsageError`."""
    share = share or by_place
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as e:
        raise UsageError(f"{shown(path)} cannot be opened ({reason(e)}): {WANTED}.") from e
    if stat.S_ISDIR(mode):
        return _sort_out(list(walk(path, caps)), path.resolve().name, shown(path), caps, share)
    if not stat.S_ISREG(mode):
        raise UsageError(f"{shown(path)} is neither a file nor a folder: {WANTED}.")
    if path.suffix.lower() == ".zip":
        return _take_zip(path, caps, share)
    if path.suffix.lower() in SOURCES:
        return _take_file(path, caps)
    raise UsageError(f"{shown(path)} is not a submission: {WANTED}.")


def whole(folder: Path, student_id: str, ours: tuple[str, ...] = ()) -> Submission:
    """All of a folder as one student's, but what lies below `ours` in it. Where there is no code, that is its problem.

    Raises `UsageError` for more than the caps allow.
    """
    entries = [e for e in walk(folder, CAPS) if not ours or e.path[: len(ours)] != ours]
    return _build({student_id: entries}, (), CAPS).submissions[0]


def _take_zip(path: Path, caps: Caps, share: Share) -> Intake:
    try:
        with path.open("rb") as file:
            inspect(file, shown(path), caps)
            with zipfile.ZipFile(file) as archive:
                entries = list(members(archive, shown(path), caps))
                return _sort_out(entries, path.stem, shown(path), caps, share)
    except DAMAGED as e:
        raise UsageError(f"{shown(path)} cannot be read as a zip ({shown(reason(e))}): make it again.") from e


def _take_file(path: Path, caps: Caps) -> Intake:
    resolved = path.resolve()
    info = resolved.stat()
    entry = Entry((path.name,), Kind.FILE, info.st_size, lambda: read_file(resolved, caps), info.st_mtime)
    return _build({_file_id(path.name, resolved.parent.name): [entry]}, (), caps)


def _file_id(name: str, folder: str) -> str:
    """A single file's student: its stem, or its folder when the file has the general name."""
    stem = PurePosixPath(name).stem
    return folder if stem.lower() == "submission" else stem


# ---------------------------------------------------------------------------------------------------------- students


Groups = dict[str, list[Entry]]  # a student's entries, by raw id
Share = Callable[
    [Sequence[Entry], str], tuple[Groups, tuple[str, ...]]
]  # (entries, root) -> whose, and what is nobody's


def _sort_out(entries: Sequence[Entry], root: str, name: str, caps: Caps, share: Share) -> Intake:
    """Whose is what. `root` is the input's own name, `name` how to call it in a message."""
    real = [e for e in entries if not (e.name == "(nothing)" and len(e.path) == 1)]
    if not any(e.is_source or suffix_of(e.name) in ARCHIVES for e in real):
        found = f"found only {listed([e.name for e in real])}" if real else "found nothing"
        raise UsageError(f"no submissions in {name}: {found}; {WANTED}.")
    groups, skipped = share(real, root)
    return _build(groups, skipped, caps)


def by_place(entries: Sequence[Entry], root: str) -> tuple[Groups, tuple[str, ...]]:
    """The entries of each student, by raw id, and the names of files that are nobody's."""
    if any(len(e.path) == 1 and ONE_STUDENT.fullmatch(e.name) for e in entries):
        return {root: list(entries)}, ()
    folders: Groups = {}
    for entry in entries:
        if len(entry.path) > 1:
            folders.setdefault(entry.path[0], []).append(entry.below(1))
    files = [e for e in entries if len(e.path) == 1]
    if len(folders) == 1 and not any(e.is_source for e in files):
        ((only, inside),) = folders.items()
        if _is_wrapper(only, inside, root):
            return by_place(inside, only)
    return _groups_of(files, folders)


def _is_wrapper(only: str, inside: Sequence[Entry], root: str) -> bool:
    """Whether the one folder in a folder holds students rather than one student's work."""
    if any(len(e.path) == 1 and ONE_STUDENT.fullmatch(e.name) for e in inside):
        return False
    if only.lower() in (root.lower(), "submissions"):
        return True
    sources = [e for e in inside if e.is_source]
    if all(is_attempt(e.path[0]) for e in sources):
        return False
    return all(len(e.path) > 1 for e in sources) and len({e.path[0] for e in sources}) > 1


def _groups_of(files: Sequence[Entry], folders: Groups) -> tuple[Groups, tuple[str, ...]]:
    groups: Groups = {}
    skipped: list[str] = []
    for name, inside in folders.items():
        if any(e.is_source for e in inside) or not any(f.is_source for f in files):
            groups.setdefault(name, []).extend(inside)
        else:
            skipped.append(f"{shown(name)}/")
    for entry in files:
        stem = PurePosixPath(entry.name).stem
        if entry.name.lower() in NEVER_PASSED_ON or not (entry.is_source or suffix_of(entry.name) in ARCHIVES):
            skipped.append(shown(entry.name))
        elif stem in groups:
            raise _same_id(stem, [stem + ("/" if stem in folders else ""), entry.name])
        else:
            groups[stem] = [entry]
    return groups, tuple(skipped)


def _same_id(student_id: str, names: Sequence[str]) -> UsageError:
    return UsageError(
        f"two submissions have the id {shown(student_id)} ({' and '.join(shown(n) for n in names)}): "
        f"ids must differ, in more than upper and lower case. Rename or take out one."
    )


def _build(groups: Groups, skipped: tuple[str, ...], caps: Caps) -> Intake:
    """Read what passes the caps. Sizes are added up before anything is read."""
    ids: dict[str, str] = {}
    for raw in sorted(groups):
        key = safe(raw, caps).casefold()
        if key in ids:
            raise _same_id(safe(raw, caps), [ids[key], raw])
        ids[key] = raw
    groups = {raw: opened(entries, caps) for raw, entries in groups.items()}
    total = sum(e.size for entries in groups.values() for e in sources_of(entries) if e.size <= limit_of(e.name, caps))
    if total > caps.total_bytes:
        raise UsageError(
            f"the submissions are {in_words(total)} together; the limit is {in_words(caps.total_bytes)}: "
            f"grade them in parts."
        )
    taken = [submission(raw, entries, caps) for raw, entries in groups.items()]
    return Intake(tuple(sorted(taken, key=lambda s: s.student_id)), skipped)
