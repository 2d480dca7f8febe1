"""Scorecard: all that is known of one submission, and under what it was graded."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, computed_field

from grader.model.networks import Claim, ModelResult
from grader.model.questions import CheckResult, QuestionResult
from grader.model.submission import Lateness, Submission
from grader.model.values import Value, Verdict


class Judged(Value):
    """One finished question, with what the scorecard says of it elsewhere: what is journalled at once."""

    question: QuestionResult
    model: ModelResult | None = None
    remarks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    output: str = ""

    @property
    def final(self) -> bool:
        """Whether it need not be graded again: nothing in it is a fault of the harness."""
        return all(c.verdict is not Verdict.INTERNAL for c in self.question.checks)


class Isolation(Value):
    """How far the student's code was shut in. `verified`: each wall was tried from inside and held."""

    level: Annotated[int, Field(ge=0, le=4)]
    name: str
    verified: bool
    reason: str


class Environment(Value):
    """What a grading must repeat to give the same numbers."""

    grader: str
    python: str
    torch: str
    torchvision: str
    numpy: str
    platform: str
    device: str
    seed: int
    recipe: str
    data_name: str
    data_digest: str
    stand_in: bool
    assignment_digest: str


class Attempt(Value):
    """One of several attempts that were graded, and what came of it: "3.6 of 4 (4 less 10 % for lateness)"."""

    name: str
    submission_digest: str
    summary: str


class Scorecard(Value):
    """All that is known of one submission. `notes` tell what was unusual.

    Of a student whose best attempt counts, `attempt` is the name of the one that this is, and `attempts` are all that
    it was chosen from; those of an attempt by itself are empty.

    `flags` are for the instructor alone: what a person should look at before it is believed. They are no verdict, cost
    no points, and are neither on the student's page nor in the scorecard that is written beside it.
    """

    schema_version: int = 1
    student_id: str
    assignment: str
    submission_digest: str
    questions: tuple[QuestionResult, ...]
    models: tuple[ModelResult, ...] = ()
    isolation: Isolation
    environment: Environment
    notes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    output: str = ""
    seconds: float = 0.0
    name: str = ""
    members: tuple[str, ...] = ()
    platform: str = ""
    platform_id: str = ""
    submitted_at: datetime | None = None
    late: bool | None = None
    claims: tuple[Claim, ...] = ()
    lateness: Lateness | None = None
    attempt: str = ""
    attempts: tuple[Attempt, ...] = ()

    def handed_in_as(self, submission: Submission) -> Scorecard:
        """The same with what the platform knows of the submission: whose, when, and what takes the points back."""
        fields = ("name", "members", "platform", "platform_id", "submitted_at", "late", "lateness", "attempt")
        return self.model_copy(update={f: getattr(submission, f) for f in fields})

    @computed_field  # type: ignore[prop-decorator]
    @property
    def points(self) -> float:
        """Points reached so far."""
        return round(sum(q.points for q in self.questions), 4)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def grade(self) -> float:
        """The points that count: those reached, less what lateness costs of them."""
        return round(self.points * (1 - self.late_percent / 100), 4)

    @property
    def late_percent(self) -> float:
        """What lateness costs of the points reached, in percent."""
        return self.lateness.percent if self.lateness else 0.0

    @property
    def people(self) -> tuple[str, ...]:
        """The ids of all whose submission it is: a group's members, else the student."""
        return self.members or (self.student_id,)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def max_points(self) -> float:
        """Points that can be reached."""
        return round(sum(q.max_points for q in self.questions), 4)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def pending_points(self) -> float:
        """Points that are still open."""
        return round(sum(q.pending_points for q in self.questions), 4)

    @property
    def final(self) -> bool:
        """Whether it need not be graded again: nothing in it is a fault of the harness."""
        return all(c.verdict is not Verdict.INTERNAL for c in self.checks)

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        """Every check whose verdict stands, in the order of the questions."""
        return tuple(check for question in self.questions for check in question.standing)

    @property
    def summary(self) -> str:
        """The grade as people say it: "46 of 60, 10 pending", or "41.4 of 60 (46 less 10 % for lateness)"."""
        late = f" ({self.points:g} less {self.late_percent:g} % for lateness)" if self.late_percent else ""
        pending = f", {self.pending_points:g} pending" if self.pending_points else ""
        return f"{self.grade:g} of {self.max_points:g}{late}{pending}"

    def to_json(self) -> str:
        """The published form, indented."""
        return self.model_dump_json(indent=2)

    @classmethod
    def from_json(cls, text: str | bytes) -> Scorecard:
        """Read the published form again; computed fields are recomputed, not believed."""
        import json  # only the reader needs it

        return cls.model_validate_json(json.dumps(_without_computed(json.loads(text))))


COMPUTED = frozenset({"points", "grade", "max_points", "pending_points", "accuracy", "mean_accuracy"})


def _without_computed(value: Any) -> Any:
    """Drop the totals of a written scorecard; the own numbers of a check, a mark and an epoch stay."""
    if isinstance(value, list):
        return [_without_computed(v) for v in value]
    if not isinstance(value, dict):
        return value
    if "verdict" in value:
        return {k: v for k, v in value.items() if k != "pending_points"}
    if "loss" in value or "who" in value:
        return value
    return {k: _without_computed(v) for k, v in value.items() if k not in COMPUTED}
