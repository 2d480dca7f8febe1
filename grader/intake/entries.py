"""The files of an input before anybody owns them: what they are, how large they may be, and their names made safe."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import PurePosixPath

MB = 1_000_000


@dataclass(frozen=True)
class Caps:
    """The most that is accepted, with the reason for each number."""

    notebook_bytes: int = 80 * MB  # plots kept as outputs reach 60 MB in honest notebooks; code never does
    record_bytes: int = 50 * MB  # what a platform says of a whole class, with its own test results, in one .yml
    module_bytes: int = 2 * MB  # the largest hand-written module is a hundred times smaller
    student_bytes: int = 100 * MB  # one notebook at its limit and its modules
    attempts: int = 1  # of a student's, the last; more are read where the best counts
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


class Kind(Enum):
    """What an entry is. Only a FILE is ever read."""

    FILE = "a file"
    LINK = "a link"
    SPECIAL = "a device or pipe"


class Unreadable(Exception):
    """One entry cannot be read; the text is a sentence for the student."""


@dataclass(frozen=True)
class Entry:
    """One thing in the input. `path` is as found, still unsafe; `read` gives its bytes or raises `Unreadable`.

    `modified` is when it was changed, in seconds since 1970; None in a zip, whose times have no zone. `fault` is why an
    archive could not be opened.
    """

    path: tuple[str, ...]
    kind: Kind
    size: int
    read: Callable[[], bytes] = field(repr=False)
    modified: float | None = None
    fault: str = ""

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
        return replace(self, path=self.path[depth:])


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


def suffix_of(name: str) -> str:
    """Its ending, ".ipynb" for one, in lower case."""
    return PurePosixPath(name).suffix.lower()


def is_debris(name: str) -> bool:
    """Whether a file or folder is a system's debris, which is nobody's work and not worth a word."""
    return name.startswith(".") or name.lower() in SILENT


def in_words(count: int) -> str:
    """So many bytes as people say it: "2.0 MB"."""
    return f"{count / MB:.0f} MB" if count >= 10 * MB else f"{count / MB:.1f} MB"


def reason(error: Exception) -> str:
    """What an exception says, for the middle of a sentence."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()


def limit_of(name: str, caps: Caps) -> int:
    """The most bytes that a file of this name may have."""
    limits = {".ipynb": caps.notebook_bytes, ".yml": caps.record_bytes, ".zip": caps.student_bytes}
    return limits.get(suffix_of(name), caps.module_bytes)


def too_large(name: str, size: int, caps: Caps) -> str:
    """The sentence on a file past its limit."""
    advice = "clear the outputs" if suffix_of(name) == ".ipynb" else "keep only the code"
    limit = in_words(limit_of(name, caps))
    return f"{shown(name)} is {in_words(size)}; the limit is {limit}: {advice} and hand it in again."


def nothing_in(folder: tuple[str, ...]) -> Entry:
    """Stands for a folder with nothing in it, so that its student is not lost."""
    return Entry((*folder, "(nothing)"), Kind.SPECIAL, 0, bytes)
