"""One student's entries -> a Submission: what of it may be read, and what is said of the rest."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from grader.intake.entries import (
    ARCHIVES,
    CHECKPOINTS,
    NEVER_PASSED_ON,
    Caps,
    Entry,
    Kind,
    Unreadable,
    in_words,
    limit_of,
    safe,
    shown,
    suffix_of,
    too_large,
)
from grader.model import File, Submission

ATTEMPT = re.compile(r"(?:attempt|try|version|submission)[ _-]?([0-9]{1,4})", re.IGNORECASE)


def sources_of(entries: Sequence[Entry]) -> list[Entry]:
    """The entries that are code, and may be passed on."""
    return [e for e in entries if e.is_source and e.name.lower() not in NEVER_PASSED_ON]


def submission(raw: str, entries: Sequence[Entry], caps: Caps) -> Submission:
    """What a student handed in, or the problem with it; `raw` is the id as found."""
    attempts = _attempts(entries)
    several = caps.attempts > 1
    read = [replace(_read(raw, e, caps), attempt=name if several else "") for name, e in attempts[-caps.attempts :]]
    notes = (*_not_graded(attempts, caps), *read[-1].notes)
    return replace(read[-1], notes=notes, earlier=tuple(read[:-1]))


def _read(raw: str, entries: Sequence[Entry], caps: Caps) -> Submission:
    """One attempt."""
    student_id = safe(raw, caps)
    notes = _notes(raw, student_id, entries)
    try:
        files = _read_sources(entries, caps)
    except Unreadable as e:
        return Submission(student_id, (), str(e), notes)
    changed = [e.modified for e in sources_of(entries) if e.modified is not None]
    modified_at = datetime.fromtimestamp(max(changed), UTC) if changed else None
    return Submission(student_id, files, notes=notes, modified_at=modified_at)


def is_attempt(folder: str) -> bool:
    """Whether a folder is named as one of several attempts: attempt1, Try 2, version_3."""
    return ATTEMPT.fullmatch(folder) is not None


def _attempts(entries: Sequence[Entry]) -> list[tuple[str, Sequence[Entry]]]:
    """Each attempt with its entries, the oldest first, where all code lies in folders of attempts; else one alone."""
    folders = {e.path[0] if len(e.path) > 1 else "" for e in entries if e.is_source}
    numbers = {int(match[1]): f for f in folders if (match := ATTEMPT.fullmatch(f))}
    if len(numbers) < 2 or len(numbers) < len(folders):
        return [("", entries)]
    return [(shown(f), [e for e in entries if e.path[0] == f]) for _, f in sorted(numbers.items())]


def _not_graded(attempts: Sequence[tuple[str, Sequence[Entry]]], caps: Caps) -> tuple[str, ...]:
    """A note on the attempts that are not read, if there are any."""
    names = [name for name, _ in attempts]
    if len(names) <= caps.attempts:
        return ()
    others = listed(names[: -caps.attempts])
    if caps.attempts > 1:
        return (f"{len(names)} attempts were handed in: the last {caps.attempts} are graded; not graded: {others}.",)
    return (f"{len(names)} attempts were handed in: {names[-1]} counts, being the last; not graded: {others}.",)


def _read_sources(entries: Sequence[Entry], caps: Caps) -> tuple[File, ...]:
    """A student's code, named from the folder that holds all of it. Raises `Unreadable`."""
    sources = sorted(sources_of(entries), key=lambda e: e.path)
    _check(entries, sources, caps)
    depth = _shared_depth([e.path[:-1] for e in sources])
    names = ["/".join(safe(part, caps) for part in e.path[depth:]) for e in sources]
    seen: dict[str, str] = {}
    for name in names:
        if name.casefold() in seen:
            raise Unreadable(f"the files {seen[name.casefold()]} and {name} have one name: hand in one of them.")
        seen[name.casefold()] = name
    return tuple(File(name, e.read()) for name, e in zip(names, sources, strict=True))


def _shared_depth(folders: Sequence[tuple[str, ...]]) -> int:
    """How many folders all paths have in common at their beginning."""
    pairs = zip(min(folders), max(folders), strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(min(folders)), len(max(folders))))


def _check(entries: Sequence[Entry], sources: Sequence[Entry], caps: Caps) -> None:
    """Whether a student's files may be read at all. Raises `Unreadable`."""
    if len(entries) > caps.student_files:
        raise Unreadable(
            f"more than {caps.student_files:,} files were handed in: hand in only your .py and .ipynb files."
        )
    if not sources:
        raise Unreadable(_nothing(entries))
    if len(sources) > caps.source_files:
        raise Unreadable(
            f"{len(sources):,} .py and .ipynb files were handed in; the limit is {caps.source_files}: "
            f"hand in the ones that the questions need."
        )
    for entry in sources:
        if entry.kind is not Kind.FILE:
            raise Unreadable(f"{shown(entry.name)} is {entry.kind.value}, not a plain file: hand in the file itself.")
        if entry.size > limit_of(entry.name, caps):
            raise Unreadable(too_large(entry.name, entry.size, caps))
    if (size := sum(e.size for e in sources)) > caps.student_bytes:
        raise Unreadable(f"the files are {in_words(size)} together; the limit is {in_words(caps.student_bytes)}.")


def _nothing(entries: Sequence[Entry]) -> str:
    """Why there is no code, with what to do."""
    names = [e.name for e in entries if e.name != "(nothing)"]
    archives = [n for n in names if suffix_of(n) in ARCHIVES]
    if faults := [e.fault for e in entries if e.fault]:
        return faults[0]
    if archives:
        return (
            f"{listed(archives)} was not opened: only a .zip is, and none inside another. Hand in the files themselves."
        )
    if not names:
        return "nothing was handed in: hand in submission.ipynb or submission.py."
    return f"{listed(names)} was handed in, but no .py or .ipynb file: hand in submission.ipynb or submission.py."


def _notes(raw: str, student_id: str, entries: Sequence[Entry]) -> tuple[str, ...]:
    """What was changed or left out, a sentence for each kind."""
    unchanged = unicodedata.normalize("NFC", raw) == student_id
    notes = [] if unchanged else [f"the name {raw!a} was made safe: {student_id}."]
    reasons: dict[str, list[str]] = {}
    for entry in entries:
        if reason := _why_left_out(entry):
            reasons.setdefault(reason, []).append(entry.name)
    return (*notes, *(f"{listed(names)}: {reason}." for reason, names in reasons.items()))


def _why_left_out(entry: Entry) -> str:
    """The reason why an entry does not come along; empty for one that does."""
    suffix = suffix_of(entry.name)
    if entry.name == "(nothing)":
        return ""
    if entry.fault:
        return entry.fault.removesuffix(".")
    if entry.name.lower() in NEVER_PASSED_ON:
        return "not passed on, because it would change how Python or pytest starts"
    if entry.kind is not Kind.FILE:
        return f"skipped, because it is {entry.kind.value}"
    if suffix in CHECKPOINTS:
        return "skipped: checkpoints and data are not loaded, a network is graded as it is built"
    if suffix in ARCHIVES:
        return "not opened: only a .zip that holds all of the code is, and none inside another"
    return "" if entry.is_source else "skipped: only .py and .ipynb files are read"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Names for a sentence, the first few and how many more."""
    distinct = [shown(n) for n in dict.fromkeys(names)]
    more = f" and {len(distinct) - most} more" if len(distinct) > most else ""
    return ", ".join(distinct[:most]) + more
