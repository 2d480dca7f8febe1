"""A second assignment, as small as one can be: one layer, no network. The engine grades it without knowing of it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from grader import assignment, wire
from grader.assignment import Assignment
from grader.model import File, Submission

TOML = """
id = "tiny"
title = "Twice"

[limits]
wall_seconds = {wall_seconds}
memory_mib = 2048
output_kib = 1

[[questions]]
id = "q1_double"
title = "Q1 Double"
answers = [{{ name = "double" }}]

[questions.checks]
{checks}
"""

PUBLIC = '''
import torch


def test_small(student):
    """double gives 2 for 1."""
    assert student.run("double", torch.ones(1)).tolist() == [2.0], "double(1) is not 2."
'''

HIDDEN = '''
import torch


def test_random(student, reference, seed):
    """double is right on numbers that were not shown."""
    x = torch.rand(3, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(student.run("double", x), reference.run("double", x)), "double is wrong."
'''

SOLUTION = "def double(x):\n    return 2 * x\n"
RIGHT = "def double(x):\n    return x + x\n"
WRONG = "def double(x):\n    return x * x * 3\n"


@dataclass(frozen=True)
class Tiny:
    """Writes the assignment and its reference into a folder. `checks` are points, by check."""

    folder: Path
    checks: dict[str, str] = field(
        default_factory=lambda: {"test_small": "{ points = 1 }", "test_random": '{ points = 3, visibility = "hidden" }'}
    )
    public: str = PUBLIC
    hidden: str = HIDDEN
    solution: str = SOLUTION
    wall_seconds: int = 5

    def write(self) -> Tiny:
        """The files."""
        lines = "\n".join(f"{name} = {value}" for name, value in self.checks.items())
        texts = {
            self.assignment / "assignment.toml": TOML.format(checks=lines, wall_seconds=self.wall_seconds),
            self.assignment / "checks" / "test_q1_double.py": self.public,
            self.reference / "q1_double.py": self.solution,
            self.reference / "checks" / "test_q1_double.py": self.hidden,
        }
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return self

    @property
    def assignment(self) -> Path:
        """Its folder with assignment.toml."""
        return self.folder / "assignment"

    @property
    def reference(self) -> Path:
        """Its folder with the solutions."""
        return self.folder / "reference"

    def load(self) -> Assignment:
        """As the engine reads it."""
        return assignment.load(self.assignment)


def submission(student_id: str, source: str) -> Submission:
    """One file of a student's."""
    return Submission(student_id, (File("submission.py", source.encode()),))


def load_request(source: str) -> wire.Message:
    """What the judge asks a worker first: read this file and find `double`."""
    question = {
        "id": "q1_double",
        "answers": [{"name": "double", "kind": "layer", "aliases": []}],
        "explanation": None,
        "network": None,
        "others": [],
    }
    data = torch.frombuffer(bytearray(source.encode()), dtype=torch.uint8)
    body = {"questions": [question], "files": ["submission.py"], "seed": 0, "packages": []}
    return wire.Message("load", body, {"0": data})


def run_request(x: torch.Tensor) -> wire.Message:
    """`double` of x."""
    return wire.Message("run", {"name": "double", "inputs": 1, "seed": 0}, {"0": x})


@contextlib.contextmanager
def own_session() -> Iterator[None]:
    """A session inside the one that runs this test, as if in a process of its own."""
    known = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        patch.setattr(sys, "meta_path", [f for f in sys.meta_path if type(f).__name__ != "AssertionRewritingHook"])
        yield
    for name in [n for n in set(sys.modules) - known if n.startswith(("assignment", "reference", "test_q1"))]:
        del sys.modules[name]
