"""Whole submissions as students write them, graded as one class by the real processes; adding a case adds no code.

A case is a folder of `submissions/` with what was handed in and an `expect.toml`:

    about = "One sentence."
    points = 38                              (optional, as `pending`)
    claims = { q6_lenet = 11 }               (optional: how many printed accuracies are kept for a question)
    notes = ["a phrase"]                     (optional: found in the scorecard's notes or in a question's `source`)
    [verdicts]                               a question ("q2_relu"), or one check; see `chosen`
    "q2_relu.test_relu_values" = "FAILED"
    [messages]                               a phrase of the check's message
    "q2_relu.test_relu_values" = "of 25 elements"

What is not mentioned is not asserted.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from grader import intake
from grader.model import CheckResult, File, Scorecard, Submission
from tests.hurried import ROOT, grade
from tests.read import notebook_of
from tests.test_scrambled import scrambled

CASES = sorted(p.parent for p in (ROOT / "tests" / "submissions").glob("*/expect.toml"))
SOLUTIONS = sorted((ROOT / "reference" / "cnn-cifar10").glob("q*.py"))
KEYS = {"about", "claims", "points", "pending", "notes", "verdicts", "messages"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # the first of them waits for the whole class


def one_file() -> File:
    return File("submission.py", b"\n\n".join(path.read_bytes() for path in SOLUTIONS))


def notebook() -> File:
    """A cell for each solution, with the explanations' texts where they are: in the code."""
    return File("submission.ipynb", notebook_of(*(path.read_text("utf-8") for path in SOLUTIONS)))


REFERENCES = {
    "one file": lambda: (one_file(),),
    "a notebook": lambda: (notebook(),),
    "a folder": lambda: tuple(File(path.name, path.read_bytes()) for path in SOLUTIONS),
}
SCRAMBLED = (1001, 1002, 1003)


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scorecard]:
    """The scorecard of every case, by its name; of the reference in every form, and of a few scrambled notebooks."""
    handed_in = [Submission(form, files()) for form, files in REFERENCES.items()]
    handed_in += [Submission(f"seed {n}", (File("submission.ipynb", scrambled(n)),)) for n in SCRAMBLED]
    return grade([*intake.collect(ROOT / "tests" / "submissions"), *handed_in], tmp_path_factory.mktemp("class"))


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
    for key, count in expected.get("claims", {}).items():
        kept = sum(c.question == key for c in card.claims)
        found += [f"{key}: {kept} claims, wanted {count}"] if kept != count else []
    return found + [f"nowhere is said {phrase!r}: {said}" for phrase in expected.get("notes", []) if phrase not in said]


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


# ------------------------------------------------------------------------------------------- what must get every point


@pytest.mark.parametrize("form", REFERENCES)
def test_the_reference_handed_in_gets_full_marks(form: str, cards: dict[str, Scorecard]) -> None:
    card = cards[form]
    lost = [
        f"{c.id}: {c.verdict} {c.points:g} of {c.max_points:g}: {c.message}"
        for c in card.checks
        if c.points < c.max_points
    ]
    assert [line.partition(":")[0] for line in lost] == ["explanation", "explanation"], lost
    assert card.points + card.pending_points == card.max_points == 100


def test_how_the_reference_is_handed_in_changes_nothing_of_what_is_measured(cards: dict[str, Scorecard]) -> None:
    measured = [[(m.question, m.parameters, m.confusion) for m in cards[form].models] for form in REFERENCES]
    assert len(measured[0]) == 2
    assert measured[0] == measured[1] == measured[2]


@pytest.mark.parametrize("seed", SCRAMBLED)
def test_a_right_solution_among_anything_else_gets_full_marks(seed: int, cards: dict[str, Scorecard]) -> None:
    """As test_scrambled.py shows for many more without the real processes."""
    card = cards[f"seed {seed}"]
    layers = [c for q in card.questions[:5] for c in q.checks if c.id != "explanation"]
    assert {c.verdict for c in layers} == {"PASSED"}, [(c.id, c.message) for c in layers if c.verdict != "PASSED"]
    assert card.points == 38
