"""What every value of ours is like, and the words for an outcome and for who may see it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


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
