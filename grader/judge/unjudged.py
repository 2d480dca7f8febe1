"""The scorecard of a submission that could not be judged: our fault, so INTERNAL everywhere and no points lost."""

from __future__ import annotations

from collections.abc import Mapping

from grader.assignment import Assignment, CheckSpec, Question
from grader.model import CheckResult, Environment, Isolation, Judged, QuestionResult, Scorecard, Submission, Verdict


def question(asked: Question, why: str) -> QuestionResult:
    """A question that could not be judged: INTERNAL everywhere, no points lost."""
    checks = tuple(_result(check, spec, why) for check, spec in asked.checks.items())
    return QuestionResult(id=asked.id, title=asked.title, checks=checks)


def _result(check: str, spec: CheckSpec, why: str) -> CheckResult:
    return CheckResult(
        id=check,
        title=check,
        visibility=spec.visibility,
        verdict=Verdict.INTERNAL,
        points=0.0,
        max_points=spec.points,
        message=f"The harness failed here, at no cost to you: {why}",
    )


def scorecard(
    assignment: Assignment, submission: Submission, why: str, finished: Mapping[str, Judged] | None = None
) -> Scorecard:
    """The scorecard of a submission that could not be judged: INTERNAL in every question that is not `finished`."""
    known = finished or {}
    questions = tuple(known[q.id].question if q.id in known else question(q, why) for q in assignment.questions)
    unknown = dict.fromkeys(("torch", "torchvision", "numpy", "platform", "device", "recipe"), "unknown")
    return Scorecard(
        student_id=submission.student_id,
        assignment=assignment.id,
        submission_digest=submission.digest,
        questions=questions,
        isolation=Isolation(level=0, name="none", verified=False, reason="not judged"),
        environment=Environment(
            grader="unknown",
            python="unknown",
            seed=0,
            data_name="unknown",
            data_digest="",
            stand_in=False,
            assignment_digest=assignment.digest,
            **unknown,
        ),
        notes=(why,),
    )
