"""Reads a submission as a worker does, in this process: by name, then in the other ways, as the judge asks for them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from grader import assignment
from grader.processes.exchange import asked
from grader.processes.station import STEPS
from grader.source import notebook
from grader.untrusted import shims
from grader.untrusted.reading import Reading

ROOT = Path(__file__).resolve().parent.parent
SPEC = assignment.load(ROOT / "assignments" / "cnn-cifar10")


def notebook_of(*cells: str) -> bytes:
    """A notebook; a cell that begins with "#md " is text."""
    kinds = [("markdown", c[4:]) if c.startswith("#md ") else ("code", c) for c in cells]
    made = [{"cell_type": kind, "metadata": {}, "source": text} for kind, text in kinds]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


@contextmanager
def imports(book: notebook.Book) -> Iterator[None]:
    """The submission's own modules and the stand-ins can be imported; afterwards all is as before."""
    before, finders = set(sys.modules), list(sys.meta_path)
    sys.meta_path.insert(0, book.modules)
    shims.stand_in(())
    try:
        yield
    finally:
        sys.meta_path[:] = finders
        for name in set(sys.modules) - before:
            if not name.startswith(("torch", "numpy")):
                del sys.modules[name]


def read(files: dict[str, bytes] | bytes, *questions: str) -> Reading:
    """What is found of some questions, or of all layers."""
    book = notebook.open_(files if isinstance(files, dict) else {"submission.ipynb": files})
    wanted = questions or [q.id for q in SPEC.questions if not q.network]
    with imports(book):
        reading = Reading(book, [asked(SPEC.question(q), SPEC) for q in wanted])
        for step in STEPS:
            if step in reading.body()["tries"]:
                reading.again(step)
    return reading


def names(reading: Reading) -> dict[str, dict[str, Any]]:
    """The state of each name."""
    return {name: state for q in reading.body()["questions"].values() for name, state in q["names"].items()}
