"""One check and one question of one submission, with what shows where an answer differs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, computed_field, model_validator

from grader.model.values import Margins, Points, Sizes, Value, Verdict, Visibility


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
