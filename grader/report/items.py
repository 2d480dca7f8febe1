"""Which checks fail, with which wrong answers, and whether they tell the better from the weaker: an item analysis."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import StatisticsError, correlation

from grader.model import EXPLANATION, CheckResult, QuestionResult, Scorecard, Verdict, Visibility
from grader.report.summary import NUMBER, verdict_counts

DISCRIMINATION_MINIMUM = 10  # students below which a correlation says nothing
Rows = list[tuple[Scorecard, QuestionResult, CheckResult]]
"""One check of each student."""


@dataclass(frozen=True)
class CheckSummary:
    """One check over the class. `answers` are the wrong ones that occur most: what was said of them, and how often.

    `alike` are the titles of further checks that said the same of the same students. `discrimination` is
    (value, low, high), None where it cannot be told.
    """

    question: str
    title: str
    visibility: Visibility
    passed: int
    judged: int
    verdicts: tuple[tuple[Verdict, int], ...]
    answers: tuple[tuple[str, int], ...]
    discrimination: tuple[float, float, float] | None
    alike: tuple[str, ...] = ()

    @property
    def failed(self) -> int:
        """Students for whom it was judged and did not pass."""
        return self.judged - self.passed

    @property
    def broken(self) -> bool:
        """Whether somebody should look at it at once: nobody passes it, or it surely favours those who know less."""
        nobody = self.judged > 1 and not self.passed
        return nobody or (self.discrimination is not None and self.discrimination[2] < 0)

    @property
    def suspect(self) -> bool:
        """Whether the check itself should be looked at: nobody passes it, or those who pass know less."""
        return self.broken or (self.discrimination is not None and self.discrimination[0] < 0)


def checks(scorecards: Sequence[Scorecard]) -> list[CheckSummary]:
    """Every check that was judged for anybody, the one that fails most first."""
    found: dict[tuple[str, str], Rows] = {}
    for scorecard in scorecards:
        for question in scorecard.questions:
            for check in question.checks:
                if check.id != EXPLANATION and check.verdict is not Verdict.UNGRADED:
                    found.setdefault((question.id, check.id), []).append((scorecard, question, check))
    return sorted(map(_together, _groups(found.values())), key=lambda c: (-c.failed, c.passed))


def _groups(checks: Iterable[Rows]) -> Iterable[list[Rows]]:
    """The checks, those of one question that failed for the same students with the same messages together."""
    groups: dict[object, list[Rows]] = {}
    for rows in checks:
        outcomes = tuple((s.student_id, c.verdict, NUMBER.sub("#", c.message)) for s, _, c in rows)
        failed = any(c.verdict not in (Verdict.PASSED, Verdict.INTERNAL, Verdict.SKIPPED) for _, _, c in rows)
        groups.setdefault((rows[0][1].id, outcomes if failed else rows[0][2].id), []).append(rows)
    return groups.values()


def _together(group: Sequence[Rows]) -> CheckSummary:
    return replace(_check(group[0]), alike=tuple(rows[0][2].title for rows in group[1:]))


def discrimination(passed: Sequence[bool], rest: Sequence[float]) -> tuple[float, float, float] | None:
    """Point-biserial correlation of passing a check with the points on all the others, with Fisher's 95 % interval."""
    if len(passed) < DISCRIMINATION_MINIMUM:
        return None
    try:
        r = correlation([float(p) for p in passed], rest)
    except StatisticsError:  # everybody passed, nobody did, or all have the same points
        return None
    z, half = math.atanh(max(-0.999999, min(0.999999, r))), 1.959964 / math.sqrt(len(passed) - 3)
    return r, math.tanh(z - half), math.tanh(z + half)


def _check(rows: Rows) -> CheckSummary:
    results = [check for _, _, check in rows]
    judged = [(s, c) for s, _, c in rows if c.verdict not in (Verdict.INTERNAL, Verdict.SKIPPED)]
    passed = [c.verdict is Verdict.PASSED for _, c in judged]
    return CheckSummary(
        question=rows[0][1].title,
        title=results[0].title,
        visibility=results[0].visibility,
        passed=sum(passed),
        judged=len(judged),
        verdicts=tuple(verdict_counts(results)),
        answers=_answers([c for _, c in judged if c.verdict is not Verdict.PASSED]),
        discrimination=discrimination(passed, [s.points - c.points for s, c in judged]),
    )


def _answers(wrong: Sequence[CheckResult], most: int = 3) -> tuple[tuple[str, int], ...]:
    """The usual wrong answers: those of one shape together, else those with one message, numbers aside.

    After the first only those that occur more than once.
    """
    groups: dict[str, list[str]] = {}
    for check in wrong:
        difference = check.difference
        of_shape = difference and difference.found_shape != difference.wanted_shape
        key = f"{difference.found_shape} {difference.wanted_shape}" if difference and of_shape else ""
        groups.setdefault(key or NUMBER.sub("#", check.message), []).append(check.message)
    usual = sorted(groups.values(), key=lambda messages: -len(messages))
    return tuple((said[0], len(said)) for i, said in enumerate(usual[:most]) if i == 0 or len(said) > 1)
