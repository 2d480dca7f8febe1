"""The files in a zip, as entries: nothing it says of itself is believed, and nothing is unfolded past its limit."""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import IO

from grader.errors import UsageError
from grader.intake.entries import (
    ENVIRONMENTS,
    Caps,
    Entry,
    Kind,
    Unreadable,
    in_words,
    is_debris,
    limit_of,
    nothing_in,
    reason,
    shown,
    suffix_of,
    too_large,
)

ZIP = ".zip"
DAMAGED = (zipfile.BadZipFile, OSError, EOFError, struct.error, ValueError, UnicodeError, NotImplementedError)


def opened(entries: Sequence[Entry], caps: Caps) -> list[Entry]:
    """A student's entries; where no code lies beside them, zips are replaced by what they hold, one level deep.

    The same caps hold within, and nothing is kept in memory: a file inside is unfolded from the zip when it is read.
    A zip that cannot be opened stays, and its `fault` says why.
    """
    if any(e.is_source for e in entries):
        return list(entries)
    return [inner for e in entries for inner in (_inside(e, caps) if _is_zip(e) else [e])]


def _is_zip(entry: Entry) -> bool:
    return entry.kind is Kind.FILE and suffix_of(entry.name) == ZIP


def _inside(entry: Entry, caps: Caps) -> list[Entry]:
    """What a zip in the input holds, below a folder of its name."""
    folder = (*entry.path[:-1], PurePosixPath(entry.name).stem)
    try:
        file = io.BytesIO(entry.read())
        inspect(file, shown(entry.name), caps)
        with zipfile.ZipFile(file) as archive:
            inner = list(members(archive, shown(entry.name), caps))
    except (UsageError, Unreadable) as e:
        return [replace(entry, fault=str(e))]
    except DAMAGED as e:
        return [
            replace(entry, fault=f"{shown(entry.name)} cannot be read as a zip ({shown(reason(e))}): zip it again.")
        ]
    return [replace(e, path=(*folder, *e.path), read=partial(_unfolded, entry, e.path, caps)) for e in inner]


def _unfolded(entry: Entry, path: tuple[str, ...], caps: Caps) -> bytes:
    """A file's bytes, from a zip that is read once more for it."""
    with zipfile.ZipFile(io.BytesIO(entry.read())) as archive:
        return next(e for e in members(archive, shown(entry.name), caps) if e.path == path).read()


def inspect(file: IO[bytes], name: str, caps: Caps) -> None:
    """Hold the zip's own account of itself against the caps before a parser trusts it."""
    size = file.seek(0, os.SEEK_END)
    if size > caps.archive_bytes:
        raise UsageError(
            f"{name} is {in_words(size)}; the limit is {in_words(caps.archive_bytes)}: hand it in in parts."
        )
    file.seek(max(0, size - 65_557))  # the longest end record: 22 bytes and a comment
    tail = file.read()
    file.seek(0)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + 22:
        raise UsageError(f"{name} is not a zip, or is cut short: make it again.")
    members, directory = struct.unpack_from("<HI", tail, at + 10)
    if members == 0xFFFF or directory > caps.directory_bytes:
        raise UsageError(f"{name} lists too many files: give a zip of the submissions alone, or unpack it.")


def members(archive: zipfile.ZipFile, name: str, caps: Caps) -> Iterator[Entry]:
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
        if not parts or any(is_debris(p) or p.lower() in ENVIRONMENTS for p in parts):
            continue
        if len(parts) <= caps.depth:
            path = tuple(parts)
            yield nothing_in(path) if info.is_dir() else _entry_of_member(archive, info, path, caps)


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
    limit = limit_of(name, caps)
    most = min(limit, max(caps.ratio_from_bytes, info.compress_size * caps.ratio))
    try:
        with archive.open(info) as member:
            data = member.read(most + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, struct.error, RuntimeError, ValueError) as e:
        raise Unreadable(f"{shown(name)} is damaged inside the zip ({shown(reason(e))}): zip it again.") from e
    if len(data) > limit:
        raise Unreadable(too_large(name, len(data), caps))
    if len(data) > most:
        raise Unreadable(f"{shown(name)} unfolds to more than {caps.ratio} times its size in the zip: it was not read.")
    return data
