"""The reference solutions, handed in as a student would hand them in, get every point that a machine gives."""

from __future__ import annotations

import json

import pytest

from grader.model import File, Scorecard, Submission
from tests.hurried import ROOT, grade

SOLUTIONS = sorted((ROOT / "reference" / "cnn-cifar10").glob("q*.py"))

pytestmark = pytest.mark.slow


def one_file() -> File:
    return File("submission.py", b"\n\n".join(path.read_bytes() for path in SOLUTIONS))


def notebook() -> File:
    """A cell for each solution, with the explanations' texts where they are: in the code."""
    cells = [
        {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": path.read_text("utf-8")}
        for path in SOLUTIONS
    ]
    book = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return File("submission.ipynb", json.dumps(book).encode())


def folder() -> tuple[File, ...]:
    return tuple(File(path.name, path.read_bytes()) for path in SOLUTIONS)


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scorecard]:
    handed_in = [
        Submission("one-file", (one_file(),)),
        Submission("notebook", (notebook(),)),
        Submission("folder", folder()),
    ]
    return grade(handed_in, tmp_path_factory.mktemp("references"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("form", ["one-file", "notebook", "folder"])
def test_the_reference_gets_full_marks(form: str, cards: dict[str, Scorecard]) -> None:
    card = cards[form]
    lost = [
        f"{c.id}: {c.verdict} {c.points:g} of {c.max_points:g}: {c.message}"
        for c in card.checks
        if c.points < c.max_points
    ]
    assert [line.partition(":")[0] for line in lost] == ["explanation", "explanation"], lost
    assert card.points + card.pending_points == card.max_points == 100


@pytest.mark.timeout(600)
def test_how_it_is_handed_in_changes_nothing_of_what_is_measured(cards: dict[str, Scorecard]) -> None:
    measured = [[(m.question, m.parameters, m.confusion) for m in card.models] for card in cards.values()]
    assert len(measured[0]) == 2
    assert measured[0] == measured[1] == measured[2]
