from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from grader import batch
from grader.batch import Event
from grader.errors import AssignmentError
from grader.model import Scorecard, Submission, Verdict
from grader.plan import Plan
from tests.interrupted import ends
from tests.tiny import HIDDEN, RIGHT, WRONG, Tiny, submission

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs fork")]

DEADLY = "import os\n\n\ndef killed(student):\n    if student.submission.student_id == 'bob':\n        os._exit(9)\n"
CLASS = [submission("ada", RIGHT), submission("bob", RIGHT), submission("cy", RIGHT), submission("dan", WRONG)]


@dataclass
class Log:
    """What a run said and gave, in order."""

    steps: list[tuple[str, str]] = field(default_factory=list)
    cards: dict[str, Scorecard] = field(default_factory=dict)

    def watch(self, event: Event) -> None:
        self.steps.append((event.kind, event.student_id))

    def take(self, card: Scorecard) -> None:
        assert card.student_id not in self.cards
        self.cards[card.student_id] = card
        self.steps.append(("taken", card.student_id))


def graded(tiny: Tiny, submissions: list[Submission]) -> Log:
    log = Log()
    plan = Plan(str(tiny.assignment), str(tiny.reference), None, "cpu", "quick", 1, None, train=False)
    batch.grade(plan, tiny.write().load(), submissions, log.watch, log.take)
    return log


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    """A class in which one submission's check kills the judge, twice."""
    hidden = DEADLY + HIDDEN.replace('numbers that were not shown."""', 'numbers."""\n    killed(student)')
    return graded(Tiny(tmp_path_factory.mktemp("deadly"), hidden=hidden), CLASS)


def test_everybody_has_one_scorecard_whatever_happens_to_the_judge(log: Log):
    assert sorted(log.cards) == ["ada", "bob", "cy", "dan"]


def test_a_submission_that_kills_the_judge_twice_is_internal_and_loses_nothing(log: Log):
    card = log.cards["bob"]
    assert {c.verdict for c in card.checks} == {Verdict.INTERNAL}
    assert (card.points, card.pending_points) == (0, 4)
    assert "exit code 9" in card.notes[0]


def test_its_neighbours_are_graded_as_if_it_were_not_there(log: Log):
    assert [log.cards[i].summary for i in ("ada", "cy", "dan")] == ["4 of 4", "4 of 4", "0 of 4"]


def test_another_judge_goes_on_and_what_the_dead_one_had_begun_is_tried_once_more_at_the_end(log: Log):
    begun = [student for kind, student in log.steps if kind == "began"]
    assert begun == ["ada", "bob", "cy", "dan", "bob"]


def test_a_scorecard_is_taken_before_the_next_submission_begins(log: Log):
    assert log.steps.index(("taken", "ada")) < log.steps.index(("began", "bob"))
    assert log.steps.index(("taken", "cy")) < log.steps.index(("began", "dan"))


def test_a_mistake_of_the_instructors_comes_back_as_the_exception_that_says_it(tmp_path: Path):
    tiny = Tiny(tmp_path, checks={"test_small": "{ points = 1 }"})  # the hidden check has no points
    with pytest.raises(AssignmentError, match=r"test_random, which assignment\.toml does not list"):
        graded(tiny, CLASS[:1])


def processes_of(folder: Path) -> list[int]:
    """Whose environment names this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            mine = str(folder).encode() in path.read_bytes()
        except OSError:
            continue
        if mine:
            found.append(int(path.parent.name))
    return found


def test_an_interrupt_keeps_what_was_graded_and_leaves_no_process(tmp_path: Path):
    tiny = Tiny(tmp_path, wall_seconds=600).write()
    handed_in, temporary, out = (tmp_path / name for name in ("class", "temporary", "out"))
    handed_in.mkdir()
    temporary.mkdir()
    (handed_in / "ada.py").write_text(RIGHT)
    (handed_in / "bob.py").write_text("def double(x):\n    while True: pass\n")
    command = ["grade", handed_in, "-a", tiny.assignment, "--reference", tiny.reference, "-o", out, "--device", "cpu"]
    process = subprocess.Popen(
        [sys.executable, "-m", "grader.cli", *command, "--trust-submissions"],
        env=os.environ | {"TMPDIR": str(temporary), "TORCHGRADER_CACHE": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    said = iter(process.stdout)
    assert any(line.startswith("ada: 4 of 4") for line in said)
    started = processes_of(temporary)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    _, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint) == (130, "grader: interrupted; what was graded is kept\n")
    assert json.loads((out / "scorecards" / "ada.json").read_text())["points"] == 4
    assert not (out / "scorecards" / "bob.json").exists()
    assert len(started) > 2
    assert all(ends(pid) for pid in started)
    assert processes_of(temporary) == []
