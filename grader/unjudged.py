"""The scorecard of a submission that could not be judged: our fault, so INTERNAL everywhere and no points lost."""

from __future__ import annotations

from grader.assignment import Assignment
from grader.model import CheckResult, Environment, Isolation, QuestionResult, Scorecard, Submission, Verdict, Visibility


def scorecard(assignment: Assignment, submission: Submission, why: str) -> Scorecard:
    """The scorecard of a submission that could not be judged: INTERNAL everywhere, no points lost."""

    def result(check: str, points: float, visibility: Visibility) -> CheckResult:
        return CheckResult(
            id=check,
            title=check,
            visibility=visibility,
            verdict=Verdict.INTERNAL,
            points=0.0,
            max_points=points,
            message=f"The harness failed here, at no cost to you: {why}",
        )

    questions = tuple(
        QuestionResult(
            id=q.id, title=q.title, checks=tuple(result(c, s.points, s.visibility) for c, s in q.checks.items())
        )
        for q in assignment.questions
    )
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
