"""A file, a folder or a zip as handed in -> Submissions. Trusted: it copies bytes, and never parses or runs code.

What is taken, and whose it is:

- A `.py` or `.ipynb` file is one student's. The id is its name without the ending, or its folder's name if the file is
  called `submission`.
- A folder that directly holds `submission.*` or `q1...`, `q2...` files is one student's, with all that lies below it.
- Otherwise every `.py` or `.ipynb` directly inside is one student's, and every sub folder is one student's, however
  deep its files lie ("a folder inside a folder").
- A folder that holds nothing but one folder is a wrapper and stands for it, if that one is named like the wrapper or
  `submissions`, or holds folders only; otherwise it is the only student's.
- A zip is the folder that it holds.

Everything here may be hostile: names, sizes, links, devices, archives. Nothing is ever written, links are never
followed, only `.py` and `.ipynb` are read, and every number is held against `Caps` first. A fault of the whole input is
a `UsageError`; a fault of one submission is its `problem`, and the others go on.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path, PurePosixPath

from grader.errors import UsageError
from grader.model import File, Submission

MB = 1_000_000


@dataclass(frozen=True)
class Caps:
    """The most that is accepted, with the reason for each number."""

    notebook_bytes: int = 80 * MB  # plots kept as outputs reach 60 MB in honest notebooks; code never does
    record_bytes: int = 50 * MB  # what a platform says of a whole class, with its own test results, in one .yml
    module_bytes: int = 2 * MB  # the largest hand-written module is a hundred times smaller
    student_bytes: int = 100 * MB  # one notebook at its limit and its modules
    student_files: int = 2_000  # data or an environment was handed in by mistake; walking on would only cost time
    source_files: int = 100  # a project of many modules has a few dozen
    total_bytes: int = 2_000 * MB  # all of it is held in memory at once
    entries: int = 200_000  # a course of 1,000 students with 200 files each
    depth: int = 12  # deeper than any project; bounds the recursion
    ratio: int = 100  # text shrinks 3 to 20 times; a thousandfold is a zip bomb
    ratio_from_bytes: int = 1 * MB  # below this even a bomb is small
    archive_bytes: int = 4_000 * MB  # beyond it a zip needs the 64-bit format, which is refused
    directory_bytes: int = 64 * MB  # the zip's own table of contents, read before anything is known of it
    id_characters: int = 64  # ids become file names, with a suffix


CAPS = Caps()

SOURCES = frozenset({".py", ".ipynb"})
CHECKPOINTS = frozenset({".pt", ".pth", ".ckpt", ".safetensors", ".h5", ".onnx", ".pkl", ".npz", ".npy"})
ARCHIVES = frozenset({".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz"})
SILENT = frozenset({"__macosx", "__pycache__", "expect.toml", "thumbs.db", "desktop.ini"})
NEVER_PASSED_ON = frozenset({"conftest.py", "pytest.ini", "sitecustomize.py", "usercustomize.py"})
ENVIRONMENTS = frozenset({"venv", "env", "site-packages", "node_modules"})
RESERVED = frozenset({"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(10)})
# One or two digits: "q36094123" is a student's number.
ONE_STUDENT = re.compile(r"(submission|q\d{1,2}([_\- ].*)?)\.(py|ipynb)", re.IGNORECASE)
WANTED = "wanted a .py or .ipynb file, a folder of them, a folder of student folders, or a zip of any of these"


class Kind(Enum):
    """What an entry is. Only a FILE is ever read."""

    FILE = "a file"
    LINK = "a link"
    SPECIAL = "a device or pipe"


class Unreadable(Exception):
    """One entry cannot be read; the text is a sentence for the student."""


@dataclass(frozen=True)
class Entry:
    """One thing in the input. `path` is as found, still unsafe; `read` gives its bytes or raises `Unreadable`."""

    path: tuple[str, ...]
    kind: Kind
    size: int
    read: Callable[[], bytes] = field(repr=False)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path[-1]

    @property
    def is_source(self) -> bool:
        """Whether it is named like code that can be handed in."""
        return PurePosixPath(self.name).suffix.lower() in SOURCES

    def below(self, depth: int) -> Entry:
        """The same entry with its first `depth` folders taken off."""
        return Entry(self.path[depth:], self.kind, self.size, self.read)


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
        raise UsageError(f"{shown(path)} cannot be opened ({_reason(e)}): {WANTED}.") from e
    if stat.S_ISDIR(mode):
        return _sort_out(list(_walk(path, caps)), path.resolve().name, shown(path), caps, share)
    if not stat.S_ISREG(mode):
        raise UsageError(f"{shown(path)} is neither a file nor a folder: {WANTED}.")
    if path.suffix.lower() == ".zip":
        return _take_zip(path, caps, share)
    if path.suffix.lower() in SOURCES:
        return _take_file(path, caps)
    raise UsageError(f"{shown(path)} is not a submission: {WANTED}.")


def _take_file(path: Path, caps: Caps) -> Intake:
    resolved = path.resolve()
    entry = Entry((path.name,), Kind.FILE, resolved.stat().st_size, lambda: _read_file(resolved, caps))
    return _build({_file_id(path.name, resolved.parent.name): [entry]}, (), caps)


# ------------------------------------------------------------------------------------------------------------- names


def safe(name: str, caps: Caps = CAPS) -> str:
    """A name that is one harmless path part on every system, and can be printed: no separators, controls or marks."""
    text = unicodedata.normalize("NFC", name)
    text = "".join("_" if c in '/\\:*?"<>|' or (unicodedata.category(c)[0] in "CZ" and c != " ") else c for c in text)
    text = text.strip(" ").strip(".").strip(" ") or "unnamed"
    if text.split(".")[0].strip().lower() in RESERVED:
        text = f"_{text}"
    if len(text) > caps.id_characters:
        ending = PurePosixPath(text).suffix
        ending = ending if len(ending) <= 10 else ""
        stem = text.removesuffix(ending)
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        text = f"{stem[: caps.id_characters - len(ending) - 9]}~{digest}{ending}"
    return text


def shown(value: object) -> str:
    """A path as text for a message, with everything that a terminal would obey made visible."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value))


def _file_id(name: str, folder: str) -> str:
    """A single file's student: its stem, or its folder when the file has the general name."""
    stem = PurePosixPath(name).stem
    return folder if stem.lower() == "submission" else stem


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _ignored(name: str) -> bool:
    """Whether a file or folder is a system's debris, which is nobody's work and not worth a word."""
    return name.startswith(".") or name.lower() in SILENT


def _size(count: int) -> str:
    return f"{count / MB:.0f} MB" if count >= 10 * MB else f"{count / MB:.1f} MB"


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()


# ----------------------------------------------------------------------------------------------------------- folders


def _walk(root: Path, caps: Caps) -> Iterator[Entry]:
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
    wrapper = len(folders) == 1 and not any(_suffix(c.name) in SOURCES for c in children) and len(above) < caps.depth
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
            yield _empty(path)
        for child in children:
            part = (*path, child.name)
            if not child.is_dir(follow_symlinks=False):
                found += 1
                yield _entry_of(child, part, caps)
            elif len(part) < caps.depth:
                pending.append((Path(child.path), part))


def _empty(folder: tuple[str, ...]) -> Entry:
    """Stands for a folder with nothing in it, so that its student is not lost."""
    return Entry((*folder, "(nothing)"), Kind.SPECIAL, 0, bytes)


def _children(folder: Path, limit: int) -> list[os.DirEntry[str]]:
    """What a folder holds but debris and environments, sorted, at most `limit`; nothing if it cannot be opened."""
    found: list[os.DirEntry[str]] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not _ignored(entry.name) and entry.name.lower() not in ENVIRONMENTS:
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
    return Entry(path, kind, info.st_size, lambda: _read_file(file, caps))


def _read_file(path: Path, caps: Caps) -> bytes:
    """The bytes of a regular file; never through a link, never waiting on a pipe, never past the limit."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    limit = _limit(path.name, caps)
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Unreadable(f"{shown(path.name)} is not a plain file: hand in the file itself.")
            data = file.read(limit + 1)
    except OSError as e:
        raise Unreadable(f"{shown(path.name)} cannot be read ({_reason(e)}): hand it in again.") from e
    if len(data) > limit:
        raise Unreadable(_too_large(path.name, len(data), caps))
    return data


def _limit(name: str, caps: Caps) -> int:
    return {".ipynb": caps.notebook_bytes, ".yml": caps.record_bytes}.get(_suffix(name), caps.module_bytes)


def _too_large(name: str, size: int, caps: Caps) -> str:
    advice = "clear the outputs" if _suffix(name) == ".ipynb" else "keep only the code"
    limit = _size(_limit(name, caps))
    return f"{shown(name)} is {_size(size)}; the limit is {limit}: {advice} and hand it in again."


# -------------------------------------------------------------------------------------------------------------- zips


def _take_zip(path: Path, caps: Caps, share: Share) -> Intake:
    try:
        with path.open("rb") as file:
            _inspect_directory(file, shown(path), caps)
            with zipfile.ZipFile(file) as archive:
                entries = list(_members(archive, shown(path), caps))
                return _sort_out(entries, path.stem, shown(path), caps, share)
    except (zipfile.BadZipFile, OSError, EOFError, struct.error, ValueError, UnicodeError, NotImplementedError) as e:
        raise UsageError(f"{shown(path)} cannot be read as a zip ({shown(_reason(e))}): make it again.") from e


def _inspect_directory(file: io.BufferedReader, name: str, caps: Caps) -> None:
    """Hold the zip's own account of itself against the caps before a parser trusts it."""
    size = file.seek(0, os.SEEK_END)
    if size > caps.archive_bytes:
        raise UsageError(f"{name} is {_size(size)}; the limit is {_size(caps.archive_bytes)}: hand it in in parts.")
    file.seek(max(0, size - 65_557))  # the longest end record: 22 bytes and a comment
    tail = file.read()
    file.seek(0)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + 22:
        raise UsageError(f"{name} is not a zip, or is cut short: make it again.")
    members, directory = struct.unpack_from("<HI", tail, at + 10)
    if members == 0xFFFF or directory > caps.directory_bytes:
        raise UsageError(f"{name} lists too many files: give a zip of the submissions alone, or unpack it.")


def _members(archive: zipfile.ZipFile, name: str, caps: Caps) -> Iterator[Entry]:
    """The zip's files. One unsafe name or one encrypted member condemns the whole: no honest tool makes them."""
    infos = archive.infolist()
    if len(infos) > caps.entries:
        raise UsageError(f"{name} holds {len(infos):,} files; the limit is {caps.entries:,}: hand it in in parts.")
    for info in infos:
        raw = _member_name(info)
        parts = [p for p in raw.replace("\\", "/").split("/") if p not in ("", ".")]
        if raw.startswith(("/", "\\")) or ".." in parts or re.match(r"[A-Za-z]:", raw):
            raise UsageError(f"{name} holds {shown(raw)}, which would write outside its folder: it was not opened.")
        if info.flag_bits & 1:
            raise UsageError(f"{name} is encrypted: make it again without a password.")
        if not parts or any(_ignored(p) or p.lower() in ENVIRONMENTS for p in parts):
            continue
        if len(parts) <= caps.depth:
            path = tuple(parts)
            yield _empty(path) if info.is_dir() else _entry_of_member(archive, info, path, caps)


def _member_name(info: zipfile.ZipInfo) -> str:
    """The member's name; old Windows zips hold it in the system's code page, which Python reads as cp437."""
    if info.flag_bits & 0x800 or info.filename.isascii():
        return info.filename
    for encoding in ("utf-8", "cp950", "gb18030"):
        try:
            return info.filename.encode("cp437").decode(encoding)
        except UnicodeError:
            continue
    return info.filename


def _entry_of_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: tuple[str, ...], caps: Caps) -> Entry:
    kind_bits = stat.S_IFMT(info.external_attr >> 16)
    kind = Kind.LINK if kind_bits == stat.S_IFLNK else Kind.FILE if kind_bits in (0, stat.S_IFREG) else Kind.SPECIAL
    return Entry(path, kind, info.file_size, lambda: _read_member(archive, info, path[-1], caps))


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, caps: Caps) -> bytes:
    """A member's bytes, counted as they unfold: what the zip says of its size is not believed."""
    limit = _limit(name, caps)
    most = min(limit, max(caps.ratio_from_bytes, info.compress_size * caps.ratio))
    try:
        with archive.open(info) as member:
            data = member.read(most + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, struct.error, RuntimeError, ValueError) as e:
        raise Unreadable(f"{shown(name)} is damaged inside the zip ({shown(_reason(e))}): zip it again.") from e
    if len(data) > limit:
        raise Unreadable(_too_large(name, len(data), caps))
    if len(data) > most:
        raise Unreadable(f"{shown(name)} unfolds to more than {caps.ratio} times its size in the zip: it was not read.")
    return data


# ---------------------------------------------------------------------------------------------------------- students


Groups = dict[str, list[Entry]]  # a student's entries, by raw id
Share = Callable[
    [Sequence[Entry], str], tuple[Groups, tuple[str, ...]]
]  # (entries, root) -> whose, and what is nobody's


def _sort_out(entries: Sequence[Entry], root: str, name: str, caps: Caps, share: Share) -> Intake:
    """Whose is what. `root` is the input's own name, `name` how to call it in a message."""
    real = [e for e in entries if not (e.name == "(nothing)" and len(e.path) == 1)]
    if not any(e.is_source or _suffix(e.name) in ARCHIVES for e in real):
        found = f"found only {_listed([e.name for e in real])}" if real else "found nothing"
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
        if entry.name.lower() in NEVER_PASSED_ON or not (entry.is_source or _suffix(entry.name) in ARCHIVES):
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
    total = sum(e.size for entries in groups.values() for e in _sources(entries) if e.size <= _limit(e.name, caps))
    if total > caps.total_bytes:
        raise UsageError(
            f"the submissions are {_size(total)} together; the limit is {_size(caps.total_bytes)}: grade them in parts."
        )
    taken = [_submission(raw, entries, caps) for raw, entries in groups.items()]
    return Intake(tuple(sorted(taken, key=lambda s: s.student_id)), skipped)


def _sources(entries: Sequence[Entry]) -> list[Entry]:
    """The entries that are code, and may be passed on."""
    return [e for e in entries if e.is_source and e.name.lower() not in NEVER_PASSED_ON]


def _submission(raw: str, entries: Sequence[Entry], caps: Caps) -> Submission:
    student_id = safe(raw, caps)
    notes = _notes(raw, student_id, entries)
    try:
        files = _read_sources(entries, caps)
    except Unreadable as e:
        return Submission(student_id, (), str(e), notes)
    return Submission(student_id, files, notes=notes)


def _read_sources(entries: Sequence[Entry], caps: Caps) -> tuple[File, ...]:
    """A student's code, named from the folder that holds all of it. Raises `Unreadable`."""
    sources = sorted(_sources(entries), key=lambda e: e.path)
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
        if entry.size > _limit(entry.name, caps):
            raise Unreadable(_too_large(entry.name, entry.size, caps))
    if (size := sum(e.size for e in sources)) > caps.student_bytes:
        raise Unreadable(f"the files are {_size(size)} together; the limit is {_size(caps.student_bytes)}.")


def _nothing(entries: Sequence[Entry]) -> str:
    """Why there is no code, with what to do."""
    names = [e.name for e in entries if e.name != "(nothing)"]
    archives = [n for n in names if _suffix(n) in ARCHIVES]
    if archives:
        return f"{_listed(archives)} was not opened: archives inside the input are not. Hand in the files themselves."
    found = f"{_listed(names)} was handed in" if names else "nothing was handed in"
    return f"{found}, but no .py or .ipynb file: hand in submission.ipynb or submission.py."


def _notes(raw: str, student_id: str, entries: Sequence[Entry]) -> tuple[str, ...]:
    """What was changed or left out, a sentence for each kind."""
    unchanged = unicodedata.normalize("NFC", raw) == student_id
    notes = [] if unchanged else [f"the name {raw!a} was made safe: {student_id}."]
    reasons: dict[str, list[str]] = {}
    for entry in entries:
        if reason := _why_left_out(entry):
            reasons.setdefault(reason, []).append(entry.name)
    return (*notes, *(f"{_listed(names)}: {reason}." for reason, names in reasons.items()))


def _why_left_out(entry: Entry) -> str:
    """The reason why an entry does not come along; empty for one that does."""
    suffix = _suffix(entry.name)
    if entry.name == "(nothing)":
        return ""
    if entry.name.lower() in NEVER_PASSED_ON:
        return "not passed on, because it would change how Python or pytest starts"
    if entry.kind is not Kind.FILE:
        return f"skipped, because it is {entry.kind.value}"
    if suffix in CHECKPOINTS:
        return "skipped: checkpoints and data are not loaded, a network is graded as it is built"
    if suffix in ARCHIVES:
        return "not opened, because archives inside the input are not"
    return "" if entry.is_source else "skipped: only .py and .ipynb files are read"


def _listed(names: Sequence[str], most: int = 3) -> str:
    """Names for a sentence, the first few and how many more."""
    distinct = [shown(n) for n in dict.fromkeys(names)]
    more = f" and {len(distinct) - most} more" if len(distinct) > most else ""
    return ", ".join(distinct[:most]) + more
