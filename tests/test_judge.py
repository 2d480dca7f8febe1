from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from grader import sandbox
from grader.errors import AssignmentError
from grader.judge import environment, judge
from grader.model import Scorecard, Submission, Verdict
from grader.plan import Plan
from tests.tiny import RIGHT, WRONG, Tiny, own_session, submission

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs fork")]

FORGING = """
import os, sys
from grader import wire

def forged(function):
    frame = sys._getframe()
    while not hasattr(frame.f_locals.get("request"), "number"):
        frame = frame.f_back
    os.write(3, wire.pack(wire.Message({kind!r}, {body}, number=frame.f_locals["request"].number)))
    return function

double = forged(lambda x: 2 * x)
"""
FOUND = {"double": {"state": "found", "rule": "by name"}}
FORGERIES: dict[str, tuple[str, Any]] = {
    "nothing": ("loaded", {}),
    "a list": ("loaded", {"questions": []}),
    "another-question": ("loaded", {"questions": {"q9": {"names": {}, "dropped": [], "explanation": None}}}),
    "no-names": ("loaded", {"questions": {"q1_double": {"dropped": [], "explanation": None}}}),
    "no-rule": ("loaded", {"questions": {"q1_double": {"names": {"double": {"state": "found"}}, "dropped": []}}}),
    "names-list": ("loaded", {"questions": {"q1_double": {"names": [], "dropped": [], "explanation": None}}}),
    "dropped-number": ("loaded", {"questions": {"q1_double": {"names": FOUND, "dropped": 5, "explanation": None}}}),
    "explanation-list": ("loaded", {"questions": {"q1_double": {"names": FOUND, "dropped": [], "explanation": []}}}),
    "passed": ("PASSED", {"points": 100}),
    "ready": ("ready", {"isolation": 4}),
}
ORDINARY = [
    submission("ada", RIGHT),
    submission("bob", WRONG),
    Submission("cy", (), "The file is empty.", ("A note.",)),
]


def forger(student_id: str) -> Submission:
    kind, body = FORGERIES[student_id]
    return submission(student_id, FORGING.format(kind=kind, body=repr(body)))


def judged(plan: Plan, submissions: list[Submission]) -> list[dict[str, Any]]:
    """Everything that the judge says."""
    said: list[dict[str, Any]] = []
    with own_session():
        judge.judge(plan, submissions, lambda event, **values: said.append({"event": event, **values}))
    return said


def plan(tiny: Tiny, scratch: Path, *, reference: bool = True) -> Plan:
    scratch.mkdir()
    solutions = str(tiny.reference) if reference else None
    return Plan(str(tiny.assignment), solutions, None, "cpu", "quick", 1, None, str(scratch))


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """One run over ordinary submissions with forgers between them."""
    folder = tmp_path_factory.mktemp("run")
    class_ = [ORDINARY[0], *(forger(i) for i in FORGERIES), *ORDINARY[1:]]
    return judged(plan(Tiny(folder).write(), folder / "scratch"), class_)


def cards(said: list[dict[str, Any]]) -> dict[str, Scorecard]:
    found = [Scorecard.model_validate_json(e["scorecard"]) for e in said if e["event"] == "finished"]
    return {card.student_id: card for card in found}


def test_each_scorecard_is_said_before_the_next_submission_begins(said: list[dict[str, Any]]):
    order = [(e["event"], e["student_id"]) for e in said if e["event"] != "ready"]
    steps = [step for step in order if step[0] in ("began", "finished")]
    ids = ["ada", *FORGERIES, "bob", "cy"]
    assert steps == [(event, i) for i in ids for event in ("began", "finished")]


def test_points_are_of_the_assignment_and_verdicts_of_the_checks(said: list[dict[str, Any]]):
    points = {i: card.summary for i, card in cards(said).items() if i in ("ada", "bob", "cy")}
    assert points == {"ada": "4 of 4", "bob": "0 of 4", "cy": "0 of 4"}


def test_a_submission_with_a_problem_says_it_in_its_notes(said: list[dict[str, Any]]):
    card = cards(said)["cy"]
    assert set(card.notes) >= {"A note.", "The file is empty."}
    assert {c.verdict for c in card.checks} == {Verdict.MISSING}


def test_where_an_answer_was_found_is_recorded(said: list[dict[str, Any]]):
    (question,) = cards(said)["ada"].questions
    assert question.source[0].startswith("double: ")


@pytest.mark.parametrize("student_id", FORGERIES)
def test_a_forged_message_gains_nothing_and_is_no_fault_of_ours(said: list[dict[str, Any]], student_id: str):
    """The worker itself writes to the judge: what it claims is not believed and stops nobody."""
    card = cards(said)[student_id]
    assert card.points == 0
    assert Verdict.INTERNAL not in {c.verdict for c in card.checks}


def test_every_card_has_what_repeats_the_grading(said: list[dict[str, Any]]):
    cards_ = cards(said).values()
    assert len({card.environment for card in cards_}) == len({card.isolation for card in cards_}) == 1
    card = next(iter(cards_))
    assert card.environment.device.startswith("cpu")
    assert (card.environment.data_name, card.environment.stand_in) == ("none: nothing is trained", False)
    assert card.isolation.level == sandbox.choose().isolation.level


def test_a_self_check_runs_the_public_checks_only_and_says_so(tmp_path: Path):
    tiny = Tiny(tmp_path).write()
    (card,) = cards(judged(plan(tiny, tmp_path / "scratch", reference=False), [ORDINARY[0]])).values()
    assert [c.id for c in card.checks] == ["test_small"]
    assert any("hidden checks are not part of this kit" in note for note in card.notes)


def test_an_assignment_may_have_hidden_checks_alone(tmp_path: Path):
    tiny = Tiny(tmp_path, checks={"test_random": '{ points = 3, visibility = "hidden" }'}).write()
    shutil.rmtree(tiny.assignment / "checks")
    (card,) = cards(judged(plan(tiny, tmp_path / "scratch"), [ORDINARY[0]])).values()
    assert (card.points, card.max_points) == (3, 3)
    with pytest.raises(AssignmentError, match="has no checks to run here"):
        judged(plan(tiny, tmp_path / "again", reference=False), [ORDINARY[0]])


def test_what_goes_wrong_with_one_scorecard_is_internal_there_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    usual = judge.scorecard

    def failing(setting: judge.Setting, case: Any) -> Scorecard:
        if case.submission.student_id == "bob":
            raise RuntimeError("no card")
        return usual(setting, case)

    monkeypatch.setattr(judge, "scorecard", failing)
    found = cards(judged(plan(Tiny(tmp_path).write(), tmp_path / "scratch"), ORDINARY))
    assert {c.verdict for c in found["bob"].checks} == {Verdict.INTERNAL}
    assert (found["bob"].pending_points, found["ada"].points) == (4, 4)


def test_a_cuda_device_that_is_not_there_is_the_users_mistake(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(AssignmentError, match="use --device cpu"):
        environment.choose_device("cuda")
    assert environment.choose_device("auto")[0] == "cpu"
