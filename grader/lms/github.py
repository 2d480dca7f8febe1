"""GitHub Classroom and Classroom 50: a folder of cloned repositories, one for each student or team, in.

`gh classroom clone student-repos` makes `{assignment}-submissions/{assignment}-{user}/`. When the commit was made is
not read: git would have to run in a folder that a student wrote.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from grader.lms.platform import Export, Handed, Platform

PARENT = "-submissions"


def recognise(export: Export) -> str:
    """Its folders are repositories, or are named after the folder that `gh classroom clone` makes."""
    if export.folders and not any(e.is_source for e in export.files):
        if _repositories(export):
            return "its folders are git repositories"
        prefix = _prefix(export)
        if export.root.endswith(PARENT) and all(f.startswith(prefix) for f in export.folders):
            return f"its folders are named {prefix}..."
    return ""


def _repositories(export: Export) -> bool:
    """Whether the folders on this disk are repositories, most of them."""
    if not export.path.is_dir():
        return False
    here = _folder(export.path, export.root)
    return sum((here / f / ".git").exists() for f in export.folders) * 2 > len(export.folders)


def _folder(path: Path, root: str) -> Path:
    """The folder that holds the clones: the path itself, or the wrapper in it."""
    return path if path.resolve().name == root else path / root


def handed_in(export: Export) -> Iterator[Handed]:
    """Each repository's files; the user's name is what its folder's name has beside the assignment's."""
    prefix = _prefix(export)
    for folder in export.folders:
        user = folder.removeprefix(prefix) or folder
        entries = [replace(e, path=e.path[1:]) for e in export.entries if len(e.path) > 1 and e.path[0] == folder]
        yield Handed(user, platform_id=user, entries=entries)


def _prefix(export: Export) -> str:
    """The assignment's name and a hyphen: from the parent's name, else what all folders have in common."""
    if export.root.endswith(PARENT):
        return export.root.removesuffix(PARENT) + "-"
    low, high = min(export.folders), max(export.folders)  # what these two share at the beginning, all do
    common = next((low[:i] for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), low)
    return common[: common.rfind("-") + 1] if len(export.folders) > 1 else ""


PLATFORM = Platform("github", "GitHub Classroom, cloned repositories", recognise, handed_in)
