from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from grader.batch import Event
from grader.model import Gradebook, Verdict
from grader.store.remainder import Remainder
from grader.terminal.progress import Display
from tests import gradebooks
from tests.tiny import submission

CLASS = tuple(submission(f"s{i}", "") for i in range(6))


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def display(clock: Clock, *, terminal: bool = False, json_lines: bool = False) -> Display:
    shown_on = Console(
        file=io.StringIO(), force_terminal=terminal, color_system=None, width=100, highlight=False, markup=False
    )
    made = Display(shown_on, json_lines=json_lines, clock=clock)
    made.plan(Remainder(CLASS, {("s0", CLASS[0].digest): {}}, (), frozenset()))
    return made


def said(made: Display) -> str:
    return made._console.file.getvalue()


def done(made: Display, clock: Clock, student: str, seconds: float) -> None:
    made.watch(Event("began", student))
    clock.now += seconds
    made.watch(Event("finished", student, "4 of 4"))


def test_elsewhere_than_on_a_terminal_each_finished_submission_is_one_plain_line(clock: Clock):
    made = display(clock)
    with made.shown():
        done(made, clock, "s0", 10)
        made.watch(Event("checked", "s1", "test_small", Verdict.PASSED))
        done(made, clock, "s1", 10)
    assert said(made) == "s0: 4 of 4  [1 of 6, about 50 s left]\ns1: 4 of 4  [2 of 6, about 40 s left]\n"


def test_a_choice_of_nobody_is_said_to_be_one(clock: Clock):
    made = display(clock)
    made.plan(Remainder((), {}, (), frozenset()))
    assert said(made) == "Nobody is chosen: nothing is graded.\n"


def test_who_is_in_the_gradebook_and_not_handed_in_is_named(clock: Clock):
    made = display(clock)
    made.end(gradebooks.book([gradebooks.failing("ada", Verdict.FAILED)]), {"nobody"}, Path("index.html"))
    assert "not handed in now, stay in the gradebook: ada (`grader withdraw` takes one out)" in said(made)


def test_who_waits_runs_and_is_done_is_counted(clock: Clock):
    made = display(clock)
    done(made, clock, "s0", 1)
    made.watch(Event("began", "s1"))
    made.watch(Event("checked", "s1", "test_small", Verdict.FAILED))
    assert (made.state.done, list(made.state.running), made.state.waiting) == (1, ["s1"], 4)
    assert made.state.verdicts == {Verdict.FAILED: 1}


def test_who_takes_three_times_as_long_as_the_others_is_slow(clock: Clock):
    made = display(clock)
    for student in ("s0", "s1", "s2"):
        done(made, clock, student, 2)
    made.watch(Event("began", "s3"))
    clock.now += 5
    assert made.state.slow(clock.now) == []
    clock.now += 2
    assert made.state.slow(clock.now) == [("s3", 7.0)]


def test_on_a_terminal_the_bar_says_all_of_it(clock: Clock):
    made = display(clock, terminal=True)
    done(made, clock, "s0", 60)
    made.watch(Event("began", "s1"))
    made.watch(Event("checked", "s1", "test_small", Verdict.PASSED))
    clock.now += 5
    made._console.print(made._renderable())
    for words in ("Grading 1 of 6", "1 running, 4 waiting; about 5 min 25 s left", "1 PASSED", "s1  5 s  test_small"):
        assert words in said(made)


def test_for_programs_every_line_is_one_object_and_nothing_else_is_said(clock: Clock):
    made = display(clock, json_lines=True)
    with made.shown():
        made.watch(Event("ready", text="cpu"))
        done(made, clock, "s0", 2)
        made.take(gradebooks.failing("s0", Verdict.PASSED, Verdict.FAILED))
        made.end(Gradebook(assignment="a", title="A", scorecards=()), set(), "out/index.html")
    lines = [json.loads(line) for line in said(made).splitlines()]
    assert [line["event"] for line in lines] == ["plan", "ready", "began", "finished", "scorecard", "end"]
    assert lines[3] | {"text": ""} == {
        "event": "finished",
        "student": "s0",
        "text": "",
        "done": 1,
        "running": 0,
        "waiting": 5,
        "seconds": 2.0,
        "left_seconds": 10.0,
    }
    assert lines[4]["verdicts"] == {"PASSED": 1, "FAILED": 1}
