"""Submission: what one student handed in, and how late."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Annotated

from pydantic import Field

from grader.model.values import Points, Value


class Lateness(Value):
    """How late a submission is: `seconds` after its due date, the begun `days` that count, and the percentage of the
    points reached that they cost. `why` says so in words, with the dates and where each is from.
    """

    seconds: Points
    days: Annotated[int, Field(ge=0)]
    percent: Annotated[float, Field(ge=0, le=100)]
    why: str


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

    Where the best of several attempts counts, this is the last of them, `earlier` holds those before it, the oldest
    first, and `attempt` is the name of each.
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
    attempt: str = ""
    earlier: tuple[Submission, ...] = field(default=(), repr=False)

    @property
    def attempts(self) -> tuple[Submission, ...]:
        """The attempts of which the best counts, the oldest first, this one the last; the same content only once."""
        found: dict[str, Submission] = {}
        for attempt in (*self.earlier, replace(self, earlier=())):
            found.setdefault(attempt.digest, attempt)
        return tuple(found.values())

    @cached_property
    def digest(self) -> str:
        """SHA-256 over names and contents, in the order of the names."""
        h = hashlib.sha256()
        for file in sorted(self.files, key=lambda f: f.name):
            for part in (file.name.encode("utf-8", "surrogatepass"), file.data):
                h.update(len(part).to_bytes(8, "big"))
                h.update(part)
        return h.hexdigest()
