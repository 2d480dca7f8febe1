"""Whose fault it is, by the exception that ended a check."""

from __future__ import annotations

import pytest

from grader.graph.rebuild import Refused
from grader.judge import outcomes
from grader.model import Verdict
from grader.processes.process import Unanswered


@pytest.mark.parametrize(
    ("error", "verdict", "said"),
    [
        (None, Verdict.PASSED, ""),
        (AssertionError("wanted 6"), Verdict.FAILED, "wanted 6"),
        (AssertionError(), Verdict.FAILED, "The check's condition does not hold."),
        (Refused("its graph cannot be run"), Verdict.FAILED, "Its graph cannot be run"),
        (Unanswered(Verdict.MISSING, "there is no LeNet"), Verdict.MISSING, "there is no LeNet"),
        (ValueError("oh"), Verdict.INTERNAL, "The harness failed here, at no cost to you (ValueError: oh)."),
    ],
)
def test_the_exception_that_ended_a_check_says_whose_fault_it_is(
    error: BaseException | None, verdict: Verdict, said: str
):
    assert outcomes._verdict(error) == (verdict, said, "")
