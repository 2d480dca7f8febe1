"""Whole submissions as students write them, graded as one class by the real processes; adding a case adds no code.

A case is a folder of `submissions/` with what was handed in and an `expect.toml`:

    about = "One sentence."
    points = 38                              (optional, as `pending`)
    notes = ["a phrase"]                     (optional: found in the scorecard's notes or in a question's `source`)
    [verdicts]                               a question ("q2_relu"), or one check; see `chosen`
    "q2_relu.test_relu_values" = "FAILED"
    [messages]                               a phrase of the check's message
    "q2_relu.test_relu_values" = "of 25 elements"

What is not mentioned is not asserted.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from grader import assignment, batch, data, intake
from grader.batch import Plan
from grader.model import CheckResult, Scorecard

ROOT = Path(__file__).resolve().parent.parent
CASES = sorted(p.parent for p in (ROOT / "tests" / "submissions").glob("*/expect.toml"))
KEYS = {"about", "points", "pending", "notes", "verdicts", "messages"}
LAYER_SECONDS, NETWORK_SECONDS, MEMORY_MIB = 8, 60, 3072
RECIPES = """
[recipes.q6_lenet.cpu-quick]
epochs = 1
batch_size = 50
learning_rate = 0.03
train_per_class = 10
test_per_class = 10

[recipes.q7_efficientnet.cpu-quick]
optimizer = "adamw"
epochs = 1
batch_size = 50
learning_rate = 2e-3
train_per_class = 10
test_per_class = 10
graded = false
"""

pytestmark = pytest.mark.slow


def hurried(folder: Path) -> Path:
    """A copy of the assignment with small limits, and recipes of one epoch on a hundred images."""
    shutil.copytree(ROOT / "assignments" / "cnn-cifar10", folder)
    path = folder / "assignment.toml"
    text = path.read_text(encoding="utf-8").partition("[recipes.")[0] + RECIPES
    first, *questions = text.split("[questions.limits]")
    first = re.sub(r"wall_seconds = \d+", f"wall_seconds = {LAYER_SECONDS}", first)
    rest = [re.sub(r"wall_seconds = \d+", f"wall_seconds = {NETWORK_SECONDS}", q) for q in questions]
    text = "[questions.limits]".join([first, *rest])
    path.write_text(re.sub(r"memory_mib = \d+", f"memory_mib = {MEMORY_MIB}", text), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scorecard]:
    """The scorecard of every case, by its name."""
    tmp = tmp_path_factory.mktemp("class")
    folder = hurried(tmp / "assignment")
    images = tmp / "images.safetensors"
    data.stand_in(10, 10).save(images)
    plan = Plan(
        assignment=str(folder),
        reference=str(ROOT / "reference" / "cnn-cifar10"),
        data=str(images),
        device="cpu",
        speed="quick",
        jobs=1,
        cache=str(tmp / "cache"),
        trust=True,  # the cases are our own: hidden checks run without a sandbox too
    )
    found: dict[str, Scorecard] = {}
    handed_in = intake.collect(ROOT / "tests" / "submissions")
    batch.grade(
        plan, assignment.load(folder), handed_in, lambda _: None, lambda card: found.update({card.student_id: card})
    )
    return found


def chosen(card: Scorecard, key: str) -> list[CheckResult]:
    """The checks that a key means: one, or a question's but its explanation and those skipped for another's sake."""
    question, _, check = key.partition(".")
    checks = next(q.checks for q in card.questions if q.id == question)
    if check:
        return [c for c in checks if c.id == check]
    return [c for c in checks if c.id != "explanation" and not c.message.startswith("Not run, because this did not")]


def differences(card: Scorecard, expected: dict[str, Any]) -> list[str]:
    """What is not as expected; a sentence each."""
    said = "\n".join([*card.notes, *(line for q in card.questions for line in q.source)])
    keys = [*expected["verdicts"], *expected.get("messages", {})]
    found = [f"there is no check {key}" for key in keys if not chosen(card, key)]
    for key, verdict in expected["verdicts"].items():
        wrong = [c for c in chosen(card, key) if c.verdict != verdict]
        found += [f"{key}.{c.id}: {c.verdict}, wanted {verdict}: {c.message}" for c in wrong]
    for key, phrase in expected.get("messages", {}).items():
        found += [f"{key}: {c.message!r} lacks {phrase!r}" for c in chosen(card, key) if phrase not in c.message]
    for name in ("points", "pending"):
        value = getattr(card, "pending_points" if name == "pending" else name)
        found += [f"{name}: {value}, wanted {expected[name]}"] if value != expected.get(name, value) else []
    return found + [f"nowhere is said {phrase!r}: {said}" for phrase in expected.get("notes", []) if phrase not in said]


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_scorecard_is_as_expected(case: Path, cards: dict[str, Scorecard]) -> None:
    expected = tomllib.loads((case / "expect.toml").read_text(encoding="utf-8"))
    assert expected.keys() <= KEYS
    assert expected["about"]
    card = cards[case.name]
    assert not differences(card, expected)
    known = [c.id for key, verdict in expected["verdicts"].items() if verdict == "INTERNAL" for c in chosen(card, key)]
    assert not [f"{c.id}: {c.message}" for c in card.checks if c.verdict == "INTERNAL" and c.id not in known]


def test_the_unchanged_starters_are_those_of_the_handout() -> None:
    handout, cases = ROOT / "assignments" / "cnn-cifar10" / "handout", ROOT / "tests" / "submissions"
    for name, case in (("submission.py", "starter_unchanged"), ("submission.ipynb", "starter_notebook_unchanged")):
        assert (cases / case / name).read_bytes() == (handout / name).read_bytes()
