"""What checks and report get of one question's measurement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from grader.model import ModelResult, Verdict
from grader.processes.process import Unanswered
from grader.recipe import Recipe

T = TypeVar("T")


@dataclass(frozen=True)
class Accuracy:
    """What a check sees of a training; accuracies from 0 to 1, `mean_accuracy` over the classes."""

    mean_accuracy: float
    initial_accuracy: float
    test_images: int


@dataclass(frozen=True)
class Trained:
    """The student's network and the reference's, trained alike; `note`, a sentence, where more seeds were needed."""

    student: Accuracy
    reference: Accuracy
    recipe: Recipe
    note: str = ""


@dataclass(frozen=True)
class Measured:
    """One question's measurement. What could not be had raises when a check asks for it."""

    result: ModelResult | None
    why: str
    notes: tuple[str, ...]
    flags: tuple[str, ...]
    _trained: Trained | Exception
    _losses: tuple[float, ...] | Exception

    def trained(self) -> Trained:
        """The accuracies."""
        return or_raise(self._trained)

    def untrainable(self) -> Unanswered | None:
        """Why the network could not be trained, where that is its own fault; None for all else."""
        why = self._trained
        return why if isinstance(why, Unanswered) and why.verdict is not Verdict.UNGRADED else None

    def one_batch(self) -> tuple[float, ...]:
        """The losses on one batch."""
        return or_raise(self._losses)


def or_raise(value: T | Exception) -> T:
    """The value, unless it is why there is none."""
    if isinstance(value, Exception):
        raise value
    return value
