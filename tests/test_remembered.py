"""What the terminal shows of a stored scorecard."""

from __future__ import annotations

import io

from rich.console import Console

from grader.model import Verdict
from grader.store import Kept
from grader.terminal import remembered
from tests.gradebooks import MESSAGES, failing


def shown(*verdicts: Verdict) -> str:
    card = failing("ada", *verdicts)
    kept = Kept(1, 1, "2026-11-22T12:00:00+00:00", "", True, 4, card, card)
    out = Console(file=io.StringIO(), width=2000)
    out.print(remembered.scorecard(kept))
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def test_checks_that_ended_alike_share_one_message() -> None:
    text = shown(Verdict.MISSING, Verdict.FAILED, Verdict.MISSING)
    assert text.count(MESSAGES[Verdict.MISSING].splitlines()[0]) == 1
    assert text.count(MESSAGES[Verdict.FAILED].splitlines()[0]) == 1
    assert [f"check {i}" in text for i in range(3)] == [True, True, True]


def test_checks_that_were_not_run_are_shown_too() -> None:
    assert MESSAGES[Verdict.SKIPPED].splitlines()[0] in shown(Verdict.FAILED, Verdict.SKIPPED)
