"""What a student reads in each situation of situations.toml, graded by the real processes: public checks, no training.

A message says what was asked, what was found and where, and what to do next; it is short, it shows no traceback and no
path of this machine, and it says the same in Traditional Chinese.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from grader import assignment, batch, expectations
from grader.batch import Plan
from grader.judge import cards as cards_module
from grader.measurement import Accuracy, Trained, outcomes
from grader.model import CheckResult, File, Scorecard, Submission, Verdict
from grader.recipe import Recipe
from grader.report import phrases
from grader.trainer import Outcome
from tests.hurried import LAYER_SECONDS, ROOT, copied
from tests.test_phrases import CHINESE, ENGLISH

SECONDS = 6  # a layer answers in milliseconds; one situation waits until they are over
LONGEST = 600
HEAD = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n"
PATH = re.compile(r"(?:^|[\s'\"(])/[\w.-]+/")
PYTHONS = "Unterminated string starting at"  # stays as Python says it, like the texts of exceptions
PLACE = re.compile(r"line \d+")


@dataclass(frozen=True)
class Situation:
    """One entry of situations.toml. `also` are phrases of other checks' messages, by check."""

    about: str
    name: str
    check: str
    verdict: str
    says: list[str]
    code: str = ""
    raw: str = ""
    file: str = "submission.py"
    alone: bool = False
    place: bool = False
    also: dict[str, list[str]] = field(default_factory=dict)

    def data(self) -> bytes:
        """The file that stands alone."""
        if self.raw:
            return self.raw.encode()
        if not self.file.endswith(".ipynb"):
            return (HEAD + self.code).encode()
        cells = [cell.strip("\n") for cell in self.code.split("# %%")[1:]]
        book = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}}
        return json.dumps({**book, "cells": [_cell(source) for source in cells]}).encode()


def _cell(source: str) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": source}


TABLE = tomllib.loads((ROOT / "tests" / "situations.toml").read_text(encoding="utf-8"))
SITUATIONS = [Situation(**entry) for entry in TABLE["situation"]]


def submissions() -> Iterator[tuple[Submission, list[Situation]]]:
    """As few files as hold all situations, each name bound once in a file."""
    packs: list[dict[str, Situation]] = []
    for situation in SITUATIONS:
        if situation.alone:
            student = f"alone{SITUATIONS.index(situation)}"
            yield Submission(student, (File(situation.file, situation.data()),)), [situation]
            continue
        pack = next((p for p in packs if situation.name not in p), None)
        if pack is None:
            packs.append(pack := {})
        pack[situation.name] = situation
    for number, pack in enumerate(packs):
        source = HEAD + "\n".join(situation.code for situation in pack.values())
        yield Submission(f"pack{number}", (File("submission.py", source.encode()),)), list(pack.values())


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scorecard]:
    """The scorecard of each situation, by what it is about."""
    folder = tmp_path_factory.mktemp("situations")
    spec = copied(folder / "assignment")
    path = spec / "assignment.toml"
    text = path.read_text(encoding="utf-8").replace(f"wall_seconds = {LAYER_SECONDS}", f"wall_seconds = {SECONDS}")
    path.write_text(text, encoding="utf-8")
    made = dict(enumerate(submissions()))
    found: dict[str, Scorecard] = {}
    plan = Plan(str(spec), None, None, "cpu", "quick", 1, None, train=False)
    handed_in = [submission for submission, _ in made.values()]
    batch.grade(plan, assignment.load(spec), handed_in, lambda _: None, lambda c: found.update({c.student_id: c}))
    return {s.about: found[submission.student_id] for submission, held in made.values() for s in held}


def result(card: Scorecard, check: str) -> CheckResult:
    question, _, name = check.partition(".")
    return next(c for q in card.questions if q.id == question for c in q.checks if c.id == name)


slow = pytest.mark.slow
each = pytest.mark.parametrize("situation", SITUATIONS, ids=lambda s: s.about)


def messages(card: Scorecard, situation: Situation) -> Iterator[tuple[str, CheckResult, list[str]]]:
    yield situation.check, result(card, situation.check), situation.says
    yield from ((check, result(card, check), says) for check, says in situation.also.items())


@slow
@pytest.mark.timeout(600)
@each
def test_the_message_says_what_was_asked_what_was_found_and_what_to_do(
    situation: Situation, cards: dict[str, Scorecard]
) -> None:
    assert result(cards[situation.about], situation.check).verdict == situation.verdict
    for check, found, says in messages(cards[situation.about], situation):
        assert [phrase for phrase in says if phrase not in found.message] == [], f"{check}: {found.message}"
    if situation.place:
        assert PLACE.search(result(cards[situation.about], situation.check).message)


@slow
@each
def test_the_message_is_short_and_holds_nothing_of_the_machine(
    situation: Situation, cards: dict[str, Scorecard]
) -> None:
    for _, found, _ in messages(cards[situation.about], situation):
        assert 0 < len(found.message) <= LONGEST, found.message
        assert "Traceback" not in found.message
        assert not PATH.search(found.message + "\n" + found.detail)
        assert "tensor(" not in found.message


@slow
@each
def test_the_message_is_the_same_in_chinese(situation: Situation, cards: dict[str, Scorecard]) -> None:
    say = phrases.of("zh-TW", "cnn-cifar10")
    for _, found, _ in messages(cards[situation.about], situation):
        shown = say(found.message)
        assert CHINESE.search(shown)
        left = [words for words in ENGLISH.findall(shown) if words not in found.detail + PYTHONS]
        assert not left, shown
        assert set(re.findall(r"\d+", found.message)) <= set(re.findall(r"\d+", shown)), shown


def test_there_are_enough_of_them_and_no_two_are_about_the_same() -> None:
    assert len({s.about for s in SITUATIONS}) == len(SITUATIONS) >= 60


# ----------------------------------------------------------------------- what the hidden checks and the training say


TRAINED = Trained(Accuracy(0.52, 0.1, 1000), Accuracy(0.603, 0.1, 1000), Recipe(1, 50, 0.1))


def told(check: Callable[[], object]) -> str:
    """The message of a check that does not hold, or of the points that it gives."""
    with pytest.raises(Exception) as caught:  # noqa: PT011  # the fault may be of any kind
        check()
    return str(caught.value)


def given(fraction: float, message: str) -> None:
    raise AssertionError(f"{message}")


BEYOND = {
    "An accuracy below the reference's.": (
        lambda: expectations.near_the_reference(TRAINED, "LeNet", given),
        ["LeNet reaches 52.0%", "our own, trained alike", "All points are given from 57.3% on, none at 45.3%"],
    ),
    "A short run that is only shown.": (
        lambda: expectations.shown_only(TRAINED, given),
        ["shown, not graded: 52.0%", "60.3% for our own"],
    ),
    "Weights that were trained before.": (
        lambda: expectations.untrained(Accuracy(0.6, 0.5, 1000), "LeNet"),
        ["recognises 50.0% of 1000 test images", "about 10%", "Hand in the network without trained weights"],
    ),
    "A network that cannot learn.": (
        lambda: expectations.learns_one_batch([2.3] * 20, "EfficientNet"),
        ["After 20 steps", "loss has gone from 2.30 to 2.30", "Look for layers that gradients do not pass"],
    ),
    "A training that diverged.": (
        lambda: fails(Verdict.FAILED, "the loss stopped being a finite number in epoch 2 of 15"),
        ["LeNet could not be trained", "in epoch 2 of 15", "weights that start too large"],
    ),
    "A training that took too long.": (
        lambda: fails(Verdict.TIMED_OUT, "the network was still training after 300 s"),
        ["still training after 300 s", "Make the network smaller"],
    ),
}


def fails(verdict: Verdict, reason: str) -> None:
    raise outcomes._fault(Outcome("", verdict, reason), "LeNet")


@pytest.mark.parametrize("about", BEYOND)
def test_what_training_shows_is_said_in_full_and_in_chinese(about: str) -> None:
    check, says = BEYOND[about]
    message = told(check)
    assert [phrase for phrase in says if phrase not in message] == [], message
    shown = phrases.translate(message, "zh-TW", "cnn-cifar10")
    assert not ENGLISH.search(shown), shown
    assert set(re.findall(r"\d+", message)) <= set(re.findall(r"\d+", shown))


@pytest.mark.parametrize(("text", "verdict"), [(None, "MISSING"), ("", "MISSING"), ("Because.", "UNGRADED")])
def test_an_explanation_that_is_missing_or_empty_is_asked_for_by_name(text: str | None, verdict: str) -> None:
    spec = assignment.load(ROOT / "assignments" / "cnn-cifar10")
    found = cards_module._explained(spec.question("q1_conv2d"), text)
    assert found.verdict == verdict
    assert bool(found.message) == (verdict == "MISSING")
    if found.message:
        assert "There is no Q1_EXPLANATION: write a string of that name" in found.message
        assert "沒有找到 Q1_EXPLANATION" in phrases.translate(found.message, "zh-TW")
