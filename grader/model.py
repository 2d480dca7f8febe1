"""The nouns: what a grading takes in and gives out. No torch, no files.

Everything here is frozen. Totals are computed from the parts, never stored beside them.
The JSON form of Scorecard is published as docs/scorecard.schema.json.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, computed_field, model_validator


class Value(BaseModel):
    """A frozen value that refuses unknown keys, silent conversions, NaN and infinities."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False, ser_json_inf_nan="null")


class Fault(StrEnum):
    """Whose it is when something did not work."""

    STUDENT = "student"
    HARNESS = "harness"
    NOBODY = "nobody"


class Verdict(StrEnum):
    """The outcome of one check."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    MISSING = "MISSING"
    RAISED = "RAISED"
    CRASHED = "CRASHED"
    TIMED_OUT = "TIMED_OUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    FORBIDDEN = "FORBIDDEN"
    SKIPPED = "SKIPPED"
    UNGRADED = "UNGRADED"
    INTERNAL = "INTERNAL"

    @property
    def fault(self) -> Fault:
        """Whose outcome this is."""
        if self is Verdict.INTERNAL:
            return Fault.HARNESS
        return Fault.NOBODY if self in (Verdict.SKIPPED, Verdict.UNGRADED) else Fault.STUDENT

    @property
    def pending(self) -> bool:
        """Whether the points are still open: a person marks them, or the check is run again."""
        return self in (Verdict.UNGRADED, Verdict.INTERNAL)


class Visibility(StrEnum):
    """Who may see a check before the deadline."""

    PUBLIC = "public"
    HIDDEN = "hidden"


Points = Annotated[float, Field(ge=0)]
Sizes = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
Margins = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]


class Window(Value):
    """A window that slides over a plane, as a question asks for it: each pair is along the height, along the width.

    `plane` is the size of what a check let it slide over.
    """

    kernel: Sizes
    stride: Sizes = (1, 1)
    padding: Margins = (0, 0)
    dilation: Sizes = (1, 1)
    plane: Sizes | None = None


class Difference(Value):
    """Where an answer differs from what was wanted. It holds no wanted value.

    `index` is the place of the largest difference, `largest` its size: None where it is no number, or the check hidden.
    `tenths` draws the plane (the last two dimensions) around it: a digit for each cell of `cell` elements (rows,
    columns), 0 where all of them are within what was allowed, else their largest difference in tenths of the largest,
    rounded up and at most 9. Where the shapes differ there is no more than the shapes.
    """

    found_shape: tuple[int, ...]
    wanted_shape: tuple[int, ...]
    index: tuple[int, ...] = ()
    largest: Points | None = None
    tenths: tuple[Annotated[str, Field(pattern=r"^[0-9]+$", max_length=64)], ...] = ()
    cell: Sizes = (1, 1)


class OwnLine(Value):
    """A line of what was handed in: of which file and cell, its number there, and its text, cut when it is long."""

    place: str
    number: Annotated[int, Field(ge=1)]
    text: str


class CheckResult(Value):
    """One check of one submission. `message` is for the student; `detail` is a traceback cut to the student's lines.

    `answer` is the asked-for name that it ran; `difference` and `window` say where a wrong answer differs and what was
    to slide over what. `line` is the student's line that raised, else the one that bound the answer.
    """

    id: str
    title: str
    visibility: Visibility
    verdict: Verdict
    points: Points
    max_points: Points
    message: str = ""
    detail: str = ""
    seconds: Points = 0.0
    answer: str = ""
    difference: Difference | None = None
    window: Window | None = None
    line: OwnLine | None = None

    @model_validator(mode="after")
    def _fail_closed(self) -> CheckResult:
        if self.points > self.max_points:
            raise ValueError(f"{self.id}: {self.points} points of {self.max_points}")
        if self.points and self.verdict is not Verdict.PASSED:
            raise ValueError(f"{self.id}: points need a PASSED verdict, not {self.verdict}")
        return self

    @computed_field  # type: ignore[prop-decorator]  # mypy cannot see a property under a decorator
    @property
    def pending_points(self) -> float:
        """Points that a person or a regrade may still give."""
        return self.max_points if self.verdict.pending else 0.0


EXPLANATION = "explanation"  # the id of the check that stands for an explanation


class Mark(Value):
    """Points that a person gave, who and when (UTC, ISO 8601), and why."""

    points: Points
    who: str
    at: str
    why: str = ""


class QuestionResult(Value):
    """One question of one submission. `source` says where the answers were found and what was dropped around them.

    `mark` is a person's points for the explanation, `override` a person's points for the whole question, whatever the
    checks say.
    """

    id: str
    title: str
    checks: tuple[CheckResult, ...]
    explanation: str | None = None
    source: tuple[str, ...] = ()
    mark: Mark | None = None
    override: Mark | None = None

    @model_validator(mode="after")
    def _within_reach(self) -> QuestionResult:
        for given, most in ((self.mark, self.explanation_points), (self.override, self.max_points)):
            if given and given.points > most:
                raise ValueError(f"{self.id}: {given.points:g} points of {most:g}")
        return self

    @property
    def explanation_points(self) -> float:
        """Points that a person may give for the explanation; 0 where none is asked for."""
        return sum(c.max_points for c in self.checks if c.id == EXPLANATION)

    @property
    def standing(self) -> tuple[CheckResult, ...]:
        """The checks whose verdict stands: all but an explanation that a person has marked."""
        return tuple(c for c in self.checks if not (self.mark and c.id == EXPLANATION))

    @property
    def waits_for_mark(self) -> bool:
        """Whether there is an explanation that nobody has marked."""
        marked = self.mark or self.override
        return not marked and any(c.verdict is Verdict.UNGRADED and c.id == EXPLANATION for c in self.checks)

    @property
    def waits_for_a_person(self) -> tuple[CheckResult, ...]:
        """The checks that nothing but a person can decide: an override of the question's points settles them."""
        return tuple(
            c for c in self.checks if c.verdict is Verdict.UNGRADED and c.id != EXPLANATION and not self.override
        )

    @computed_field  # type: ignore[prop-decorator]
    @property
    def points(self) -> float:
        """Points reached so far."""
        if self.override:
            return self.override.points
        return round(sum(c.points for c in self.checks) + (self.mark.points if self.mark else 0.0), 4)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def max_points(self) -> float:
        """Points that can be reached."""
        return round(sum(c.max_points for c in self.checks), 4)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def pending_points(self) -> float:
        """Points that are still open."""
        if self.override:
            return 0.0
        return round(sum(c.pending_points for c in self.checks if not (self.mark and c.id == EXPLANATION)), 4)


class ClassAccuracy(Value):
    """How many test images of one class are recognised, with a 95 % Wilson interval (fractions, 0 to 1)."""

    name: str
    correct: Annotated[int, Field(ge=0)]
    total: Annotated[int, Field(ge=0)]
    low: float | None
    high: float | None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def accuracy(self) -> float | None:
        """Fraction recognised; None when the class has no images."""
        return self.correct / self.total if self.total else None


class Conclusion(StrEnum):
    """What a paired comparison shows."""

    BETTER = "better"
    WORSE = "worse"
    UNCLEAR = "no clear difference"


class Comparison(Value):
    """Accuracy of the student's network minus a baseline's, on the same test images (fractions, -1 to 1).

    `low`, `high`: Newcombe's paired 95 % interval. `p_value`: exact McNemar, Holm-adjusted over the classes.
    """

    name: str
    difference: float
    low: float
    high: float
    p_value: float
    conclusion: Conclusion


class Baseline(Value):
    """A network that the student's is compared with, trained by the same code, data and recipe."""

    id: str
    title: str
    classes: tuple[ClassAccuracy, ...]
    parameters: int
    flops: int = 0
    comparisons: tuple[Comparison, ...]
    overall: Comparison
    printed: tuple[float, ...] = ()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def mean_accuracy(self) -> float | None:
        """Mean of the classes' accuracies."""
        return mean_accuracy(self.classes)


class Epoch(Value):
    """One point of a learning curve: mean training loss, and training accuracy (0 to 1) on the augmented images."""

    loss: float
    accuracy: float


class Layer(Value):
    """One step of the network as captured. `flops` counts one image, multiply and add apart."""

    op: str
    output_shape: tuple[int, ...]
    parameters: int
    flops: int


class AskedLayer(Value):
    """A step that a question asks for; `also` are other spellings of `op` that are as good."""

    op: str
    output_shape: tuple[int, ...] = ()
    also: tuple[str, ...] = ()


class Mistake(Value):
    """A test image that the network is wrong about: its class, the answer, and the probability (0 to 1) given to it.

    `image` is a PNG file in base64.
    """

    label: str
    predicted: str
    confidence: Annotated[float, Field(ge=0, le=1)]
    image: str


class SeedResult(Value):
    """Mean accuracies (0 to 1) of the network and of the reference after training from one seed."""

    seed: int
    network: float
    reference: float


class SeedNoise(Value):
    """How the reference's mean accuracy (0 to 1) varies over so many training seeds: its mean and deviation."""

    trainings: Annotated[int, Field(ge=2)]
    mean: float
    deviation: float


class ModelResult(Value):
    """What was measured of one network. `method` is the step of the ladder, `reason` why that one.

    `seeds` has one entry, and more where the first was near a boundary of the scoring rule: then their means are
    scored. All else here is of the first. `noise` is None where it was not measured. `asked_layers` is the network as
    the question asks for it, `asked_parts` how many steps of some kinds it usually has.
    """

    question: str
    title: str
    parameters: int
    flops: int
    classes: tuple[ClassAccuracy, ...]
    baselines: tuple[Baseline, ...]
    curve: tuple[Epoch, ...]
    confusion: tuple[tuple[int, ...], ...]
    layers: tuple[Layer, ...]
    method: str
    reason: str
    recipe: str
    seed: int
    train_images: int
    test_images: int
    seconds: float
    device: str
    data_name: str
    stand_in: bool
    graded: bool
    fingerprint: str = ""
    seeds: tuple[SeedResult, ...] = ()
    noise: SeedNoise | None = None
    mistakes: tuple[Mistake, ...] = ()
    asked_layers: tuple[AskedLayer, ...] = ()
    asked_parts: dict[str, int] = Field(default_factory=dict)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def mean_accuracy(self) -> float | None:
        """Mean of the classes' accuracies."""
        return mean_accuracy(self.classes)


class Claim(Value):
    """An accuracy (0 to 1) that a student's notebook printed, of one class or, without a `name`, of all.

    `question` is that of the network it was most likely printed of, "" where that cannot be told.
    """

    question: str
    file: str
    cell: Annotated[int, Field(ge=1)]
    name: str
    fraction: Annotated[float, Field(ge=0, le=1)]


def mean_accuracy(classes: tuple[ClassAccuracy, ...]) -> float | None:
    """Mean over the classes that have images; None when none has."""
    known = [c.accuracy for c in classes if c.accuracy is not None]
    return sum(known) / len(known) if known else None


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


class Lateness(Value):
    """How late a submission is: `seconds` after its due date, the begun `days` that count, and the percentage of the
    points reached that they cost. `why` says so in words, with the dates and where each is from.
    """

    seconds: Points
    days: Annotated[int, Field(ge=0)]
    percent: Annotated[float, Field(ge=0, le=100)]
    why: str


class Scorecard(Value):
    """All that is known of one submission. `notes` tell what was unusual.

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

    def handed_in_as(self, submission: Submission) -> Scorecard:
        """The same with what the platform knows of the submission: whose, when, and what takes the points back."""
        fields = ("name", "members", "platform", "platform_id", "submitted_at", "late", "lateness")
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


class CodeLine(Value):
    """A line of what was handed in; numbered from 1 over all its code."""

    number: Annotated[int, Field(ge=1)]
    text: str


class Alike(Value):
    """Two submissions that are alike: how much of the shorter one is found in the other (0 to 1), and where."""

    students: tuple[str, str]
    share: Annotated[float, Field(ge=0, le=1)]
    shingles: Annotated[int, Field(ge=0)]
    left: tuple[CodeLine, ...] = ()
    right: tuple[CodeLine, ...] = ()


class Similarity(Value):
    """How alike the submissions of a class are.

    `compared` had enough code of their own; `highest` counts them by the share that each has with whoever is most like
    it, in equal parts of 0 to 1; `found` pairs are worth a look, of which `pairs` are the first.
    """

    compared: int
    highest: tuple[int, ...]
    found: int
    pairs: tuple[Alike, ...]


class Gradebook(Value):
    """A class."""

    assignment: str
    title: str
    scorecards: tuple[Scorecard, ...]
    rubrics: dict[str, str] = Field(default_factory=dict)
    similarity: Similarity | None = None

    @property
    def internal(self) -> bool:
        """Whether the harness failed somewhere."""
        return any(c.verdict is Verdict.INTERNAL for s in self.scorecards for c in s.checks)


@dataclass(frozen=True)
class File:
    """A file as handed in; `name` is a relative POSIX path."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Submission:
    """What one student handed in. `problem` says why nothing of it can be graded, `notes` what was left out.

    The rest is what its platform knows of it: `name` is for people to read, `members` are the ids of a group, and
    `platform_id` is what that platform needs to take the points back. `late` None: the platform did not say.
    `modified_at` is when the newest of its files on this disk was changed.
    """

    student_id: str
    files: tuple[File, ...]
    problem: str = ""
    notes: tuple[str, ...] = ()
    name: str = ""
    members: tuple[str, ...] = ()
    platform: str = ""
    platform_id: str = ""
    submitted_at: datetime | None = None
    late: bool | None = None
    lateness: Lateness | None = None
    modified_at: datetime | None = field(default=None, compare=False)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over names and contents, in the order of the names."""
        h = hashlib.sha256()
        for file in sorted(self.files, key=lambda f: f.name):
            for part in (file.name.encode("utf-8", "surrogatepass"), file.data):
                h.update(len(part).to_bytes(8, "big"))
                h.update(part)
        return h.hexdigest()
