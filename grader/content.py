"""Finds the content that ships with the engine (assignments and report templates), and where results are kept.

In an installed wheel they lie inside the package (grader/assignments), in a checkout beside it.
"""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder `name` of content: inside the package, else beside it."""
    inside = PACKAGE / name
    return inside if inside.is_dir() else PACKAGE.parent / name


def cache() -> Path:
    """Where this machine keeps trainings, and data that came from another, from run to run."""
    if given := os.environ.get("TORCHGRADER_CACHE"):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "torchgrader"
