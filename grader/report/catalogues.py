"""Files with texts in two languages: catalogues of phrases, and an assignment's titles."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from grader.errors import AssignmentError


def read(path: Path) -> dict[str, str]:
    """The pairs of a catalogue; its tables only sort them. Raises AssignmentError."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise AssignmentError(f"{path} is not a catalogue of phrases: {e}") from e
    pairs: dict[str, str] = {}
    for table in tables.values():
        for english, text in table.items() if isinstance(table, dict) else [("", None)]:
            if not isinstance(text, str):
                raise AssignmentError(f'{path}: wanted tables of "English" = "translation", found {text!r}.')
            pairs[english] = text
    return pairs


def titles(folders: Iterable[Path]) -> dict[str, str]:
    """The English titles of assignments that give a Chinese one too, and that; whether the file is right is not asked.

    Each folder may hold an assignment.toml.
    """
    pairs = {}
    for path in (folder / "assignment.toml" for folder in folders):
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
            continue
        for titled in _titled(found):
            pairs[titled["title"]] = titled["title_zh"]
    return pairs


def _titled(found: dict[str, Any]) -> Iterator[dict[str, str]]:
    """The assignment and its questions, those that have both titles."""
    questions = found.get("questions", ())
    for one in (found, *(questions if isinstance(questions, list) else ())):
        if isinstance(one, dict) and all(isinstance(one.get(key), str) and one[key] for key in ("title", "title_zh")):
            yield one
