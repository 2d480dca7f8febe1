"""What checks ask for by name: the student, the reference, a seed, what training gave, a part of the points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from safetensors.torch import load_file
from torch import Tensor

from grader.assignment import Question
from grader.errors import AssignmentError
from grader.judge.case import Case, Work
from grader.measurement import Measured, Trained
from grader.model import Verdict, Visibility
from grader.processes.process import Unanswered
from grader.reference import Reference
from grader.student import Student


@dataclass(frozen=True)
class Turn:
    """What runs now: a check of a question, on a case. `requires` are the checks that must have passed before it."""

    case: Case
    question: Question
    check: str
    requires: tuple[str, ...] = ()


class Fixtures:
    """A plugin of pytest's that holds the fixtures; each gives what belongs to the current `turn`."""

    turn: Turn

    def __init__(self, work: Work) -> None:
        self._work = work
        self._given: dict[pytest.Item, dict[str, Callable[[], object]]] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Nothing has been asked for yet; SKIPPED when a check that this one requires did not pass.

        What a check itself asks for is given here: pytest's own way to it, and from it, takes ten times as long.
        """
        case = self.turn.case
        case.student.asked = None
        for check in self.turn.requires:
            _require(case, self.turn.question.id, check)
        for name, value in self._of(item).items():
            item.funcargs[name] = value()  # type: ignore[attr-defined]  # a Function

    def _of(self, item: pytest.Item) -> dict[str, Callable[[], object]]:
        """The fixtures that a check asks for, as far as they come from here and not from its own file."""
        if item not in self._given:
            known = item._fixtureinfo.name2fixturedefs  # type: ignore[attr-defined]  # noqa: SLF001  # a Function
            closest = {name: definitions[-1].func for name, definitions in known.items()}
            self._given[item] = {n: f for n, f in closest.items() if getattr(f, "__self__", None) is self}
        return self._given[item]

    @pytest.fixture
    def student(self) -> Student:
        """What was handed in, as names that can be run."""
        case = self.turn.case
        if case.submission.problem:
            raise Unanswered(Verdict.MISSING, case.submission.problem)
        return case.student

    @pytest.fixture
    def reference(self) -> Reference:
        """The solutions; only where they are."""
        if self._work.reference is None:
            raise AssignmentError("a public check may not ask for the reference.")
        return self._work.reference

    @pytest.fixture
    def expected(self) -> dict[str, Tensor]:
        """The public expected tensors, read anew for each submission: a check may have changed them."""
        case = self.turn.case
        if case.expected is None:
            case.expected = load_file(self._work.assignment.folder / "expected.safetensors")
        return case.expected

    @pytest.fixture
    def seed(self) -> int:
        """The public seed in public checks; one of its own for each submission in hidden ones."""
        question = self.turn.question
        hidden = question.checks[self.turn.check].visibility is Visibility.HIDDEN
        if hidden and self._work.reference:
            return self._work.reference.seed(self.turn.case.submission.digest, question.id)
        return self._work.assignment.seeds.public

    @pytest.fixture
    def trained(self) -> Trained:
        """What training gave of the question's network, and of the reference's."""
        return self._measured().trained()

    @pytest.fixture
    def one_batch(self) -> tuple[float, ...]:
        """The losses of training on one batch."""
        return self._measured().one_batch()

    def _measured(self) -> Measured:
        case = self.turn.case
        if case.submission.problem:
            raise Unanswered(Verdict.MISSING, case.submission.problem)
        if case.measured is None:
            raise Unanswered(Verdict.UNGRADED, "Graded later, where networks are trained.")
        return case.measured.result()[self.turn.question.id]

    @pytest.fixture
    def award(self) -> Callable[[float, str], None]:
        """Give a check that otherwise passes a fraction of its points, and say why."""
        case = self.turn.case

        def award(fraction: float, message: str) -> None:
            case.award = (min(max(fraction, 0.0), 1.0), message)

        return award


def _require(case: Case, question: str, check: str) -> None:
    """End the check unless another of its question has passed."""
    result = case.results.get((question, check))
    if result is None:
        raise AssignmentError(f"{question}: {check} is required before it has run.")
    if result.verdict is Verdict.INTERNAL:
        raise AssignmentError(f"{check}, on which this depends, could not be judged.")
    if result.verdict is Verdict.MISSING:  # there is nothing else to say of what is not there
        raise Unanswered(Verdict.MISSING, result.message)
    if result.verdict is Verdict.UNGRADED:
        raise Unanswered(Verdict.UNGRADED, result.message)
    if result.verdict is not Verdict.PASSED:
        raise Unanswered(Verdict.SKIPPED, f"Not run, because this did not pass: {result.title} Mend that first.")
