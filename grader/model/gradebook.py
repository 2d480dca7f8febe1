"""Gradebook: a class, and whose code is alike in it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from grader.model.scorecard import Scorecard
from grader.model.values import Value, Verdict


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
