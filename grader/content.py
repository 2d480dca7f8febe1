"""Finds the content that ships with the engine: assignments and report templates.

In an installed wheel they lie inside the package (grader/assignments), in a checkout beside it.
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder `name` of content: inside the package, else beside it."""
    inside = PACKAGE / name
    return inside if inside.is_dir() else PACKAGE.parent / name
