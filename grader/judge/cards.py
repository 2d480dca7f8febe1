"""A judged case -> what is kept of it: each finished question at once, and the scorecard when all are finished.

A question that was finished in an earlier run comes as it was then; a scorecard is put together from such parts alone,
so that one that took two runs is the same as one that took one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from grader.assignment import Assignment, Question
from grader.judge import lines, printed, unjudged
from grader.judge.case import Case
from grader.model import (
    EXPLANATION,
    CheckResult,
    Environment,
    Isolation,
    Judged,
    QuestionResult,
    Scorecard,
    Verdict,
    Visibility,
)
from grader.processes.process import Unanswered
from grader.reference import Reference


@dataclass(frozen=True)
class Setting:
    """What every scorecard of a run has in common."""

    assignment: Assignment
    reference: Reference | None
    isolation: Isolation
    environment: Environment
    questions: tuple[Question, ...]


def judged(setting: Setting, case: Case, question: Question) -> Judged:
    """A question of which nothing is left to be checked; what goes wrong here is INTERNAL there and nowhere else."""
    try:
        return _judged(setting, case, question)
    except Exception as e:  # noqa: BLE001  # as above
        return Judged(question=unjudged.question(question, f"{type(e).__name__}: {e}"))


def _judged(setting: Setting, case: Case, question: Question) -> Judged:
    result = _question(setting, case, question)
    measured = case.measured.result().get(question.id) if case.measured else None
    why = (f"{question.title}: not trained, because {measured.why}",) if measured and measured.why else ()
    return Judged(
        question=result,
        model=measured.result if measured else None,
        remarks=case.student.remarks_of(question),
        notes=(*why, *measured.notes) if measured else case.student.notes(question),
        flags=measured.flags if measured else (),
        output=case.student.done(question),
    )


def _question(setting: Setting, case: Case, question: Question) -> QuestionResult:
    reading = case.student.reading(question)
    results = [case.results[question.id, c] for c in question.checks if (question.id, c) in case.results]
    explanation = None
    if question.explanation:
        explanation = reading.get("explanation") if isinstance(reading, dict) else None
        explanation = str(explanation) if explanation else None
        if setting.reference:
            results.append(_explained(question, explanation))
    found = tuple(_source(reading))
    return QuestionResult(
        id=question.id,
        title=question.title,
        checks=lines.quoted(results, case.submission.files, found),
        explanation=explanation,
        source=found,
    )


def _explained(question: Question, text: str | None) -> CheckResult:
    """The explanation as a check that a person marks."""
    assert question.explanation is not None  # noqa: S101  # asked only where there is one
    name = question.explanation.name
    missing = f"There is no {name}: write a string of that name, or text under a heading that names the question."
    return CheckResult(
        id=EXPLANATION,
        title="The explanation, marked by a person.",
        visibility=Visibility.PUBLIC,
        verdict=Verdict.UNGRADED if text else Verdict.MISSING,
        points=0.0,
        max_points=question.explanation.points,
        message="" if text else missing,
    )


def _source(reading: dict[str, Any] | Unanswered) -> Iterator[str]:
    """Where the answers were found, and what was left out around them."""
    if isinstance(reading, Unanswered):
        yield str(reading)
        return
    for name, found in reading["names"].items():
        if found["state"] == "found":
            yield f"{name}: {found['rule']}"
    yield from map(str, reading["dropped"])


def scorecard(setting: Setting, case: Case) -> Scorecard:
    """All that is known of a judged submission."""
    parts = [case.judged[q.id] for q in setting.questions]
    return Scorecard(
        student_id=case.submission.student_id,
        assignment=setting.assignment.id,
        submission_digest=case.submission.digest,
        questions=tuple(p.question for p in parts),
        models=tuple(p.model for p in parts if p.model),
        isolation=setting.isolation,
        environment=setting.environment,
        claims=printed.claims(case.submission.files, setting.assignment),
        notes=tuple(_notes(setting, case, parts)),
        flags=tuple(flag for p in parts for flag in p.flags),
        output="".join(p.output for p in parts),
        seconds=round(time.perf_counter() - case.started, 3),
    )


def _notes(setting: Setting, case: Case, parts: list[Judged]) -> Iterator[str]:
    yield from case.submission.notes
    yield from dict.fromkeys(remark for p in parts for remark in p.remarks)
    if case.submission.problem:
        yield case.submission.problem
    if not setting.reference:
        from grader.report import summary  # templates come with it, which a class's judges do not need

        passed = sum(c.verdict is Verdict.PASSED for p in parts for c in p.question.checks)
        public = sum(len(q.public_checks) for q in setting.questions)
        hidden = sum(q.hidden_count for q in setting.questions)
        yield summary.public_checks(passed, public, hidden)
    yield from (note for p in parts for note in p.notes)
