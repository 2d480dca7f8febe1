"""A worker that lies on its channel, in the name of a reply that was really asked for: forged networks."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from grader import assignment, sandbox
from grader.graph import capture
from grader.model import Verdict
from grader.processes import exchange
from grader.processes.crew import Crew
from grader.processes.process import Unanswered
from grader.student import Student
from tests.tiny import submission

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs fork")]

SPEC = assignment.load(Path(__file__).resolve().parent.parent / "assignments" / "cnn-cifar10")
FORGER = """
import json, os, sys
import torch
from torch import nn
from grader import wire

def number():
    frame = sys._getframe()
    while not hasattr(frame.f_locals.get("request"), "number"):
        frame = frame.f_back
    return frame.f_locals["request"].number

def send(kind, body, tensors):
    os.write(3, wire.pack(wire.Message(kind, body, tensors, number())))
"""
NETWORK = """
class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = nn.Linear(3072, 10)

    def forward(self, x):
        tensors = {"_tensor0": torch.ones(10, 3072), "_tensor1": torch.ones(10)}
        send("captured", {"ir": json.loads(%r)}, tensors)
        return self.last(x.flatten(1))
"""
RAISING = """
def relu(x):
    send("raised", {"type": "RuntimeError" * 1000, "message": "index " * 30_000, "detail": ["line"] * 30_000}, {})
"""
LOADING = """
found = {"state": "found", "rule": "rule " * 30_000, "more": [1]}
names = {"relu": found, **{f"name {i}": found for i in range(3)}}
reading = {"names": names, "dropped": ["dropped " * 30_000, 7, *[""] * 9000], "explanation": None}
send("loaded", {"questions": dict.fromkeys(%r, reading), "problems": [["a"] * 30_000], "notes": 7, "tries": [1]}, {})
relu = None
"""


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    with contextlib.closing(Crew(tmp_path_factory.mktemp("workers"), sandbox.choose())) as started:
        yield started


def honest() -> dict[str, Any]:
    """What an honest capture of such a network looks like."""
    return capture.capture(nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)), (3, 32, 32), 4).ir


def forged(part: str) -> str:
    """An honest graph with one thing in it changed."""
    ir = honest()
    match part:
        case "operation":
            ir["eval"]["nodes"][1] = ["aten.from_file.default", ["/etc/passwd"], {}]
        case "reference":
            ir["eval"]["nodes"][0][1][0] = {"node": 99}
        case "size":
            ir["tensors"][0]["shape"] = [1 << 40, 1 << 40]
        case "graph":
            ir["eval"] = "as I said"
    return json.dumps(ir)


@pytest.mark.parametrize("part", ["operation", "reference", "size", "graph"])
def test_a_forged_network_is_no_answer(crew: Crew, part: str) -> None:
    student = Student(submission("eve", FORGER + NETWORK % forged(part)), SPEC, crew)
    with contextlib.closing(student), pytest.raises(Unanswered, match="cannot be rebuilt") as caught:
        student.network("LeNet")
    assert caught.value.verdict is Verdict.FAILED


def test_a_forged_network_that_is_one_is_graded_as_what_it_is(crew: Crew) -> None:
    """It is what was handed in, by another way: its structure is that of the graph, and nothing is believed of it."""
    student = Student(submission("eve", FORGER + NETWORK % forged("")), SPEC, crew)
    with contextlib.closing(student):
        assert sum(p.numel() for p in student.network("LeNet").parameters()) == 3072 * 10 + 10
        with pytest.raises(Unanswered, match="not the reply to what was asked"):
            student.captured("LeNet", more=1)


def test_what_a_forger_says_is_cut_before_a_cause_is_looked_for_in_it(crew: Crew) -> None:
    """An expression that looks for "index ... out of range" would be busy for hours with a few megabytes."""
    student = Student(submission("eve", FORGER + RAISING), SPEC, crew)
    with contextlib.closing(student), pytest.raises(Unanswered, match="raised RuntimeError") as caught:
        student.run("relu", torch.zeros(2))
    assert len(str(caught.value)) < 3 * exchange.MOST_TEXT
    assert len(caught.value.detail) == exchange.MOST_TEXT


def test_of_a_forged_reading_only_what_was_asked_is_kept(crew: Crew) -> None:
    student = Student(submission("eve", FORGER + LOADING % [q.id for q in SPEC.questions]), SPEC, crew)
    with contextlib.closing(student):
        reading = student.reading(SPEC.question("q2_relu"))
        assert isinstance(reading, dict)
        assert reading["names"] == {"relu": {"state": "found", "rule": ("rule " * 30_000)[: exchange.MOST_TEXT]}}
        assert len(reading["dropped"]) == exchange.MOST_DROPPED
        assert {len(text) <= exchange.MOST_TEXT for text in (*reading["dropped"], *student.remarks)} == {True}
