"""A short training of a student's own networks, where there is no reference: a look before the deadline, no grade.

Theory of operation. Each network is trained from its captured graph by the assignment's quick recipe, beside those
baselines that are the student's own answers to other questions. No reference, week's network or threshold is here, so
nothing is scored: the numbers show that a network learns, how it does on each class, and what slows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from grader.assignment import Assignment, BaselineSpec, Question
from grader.data import DataSet
from grader.errors import AssignmentError, WorkerLost
from grader.measurement.accuracy import Measured
from grader.measurement.networks import of_student
from grader.measurement.results import Compared, Results, Subject
from grader.model import ModelResult
from grader.processes.process import Unanswered
from grader.recipe import Recipe
from grader.student import Student
from grader.trainer import CapturedNetwork, Job, Outcome, Trainer
from grader.training import Training

METHOD = "trained for a moment from its graph"
REASON = "a look at whether it learns; the grade comes from a longer training beside the reference, which is not here"
SPEED = "quick"


@dataclass(frozen=True)
class Started:
    """One network in training, beside the baselines that are the student's own."""

    question: Question
    recipe_name: str
    recipe: Recipe
    outcome: Future[Outcome]
    rivals: tuple[tuple[BaselineSpec, Future[Outcome]], ...]


class Practice:
    """Starts the short trainings of one student after another, on one trainer."""

    def __init__(
        self, questions: tuple[Question, ...], assignment: Assignment, trainer: Trainer, data: DataSet, device: str
    ) -> None:
        self._questions = tuple(q for q in questions if q.network)
        self._assignment = assignment
        self._trainer = trainer
        self._device = device
        self._results = Results(assignment, data, device)
        self._waiting = ThreadPoolExecutor(1, "practice")

    def close(self) -> None:
        """Give up what is not finished."""
        self._waiting.shutdown(wait=False, cancel_futures=True)

    def start(self, student: Student) -> Future[dict[str, Measured]]:
        """Begin the trainings of a student's networks; the measurements by question id, some day."""
        started = {q.id: self._start(student, q) for q in self._questions}
        return self._waiting.submit(lambda: {q: self._measured(student, s) for q, s in started.items()})

    def _start(self, student: Student, question: Question) -> Started | str:
        """The trainings of a network, or why there is none."""
        recipe_name, recipe = self._assignment.recipe(question.id, self._device, SPEED)
        try:
            outcome = self._submit(self._network(student, question), recipe)
        except Unanswered as e:
            return str(e)
        return Started(question, recipe_name, recipe, outcome, tuple(self._rivals(student, question, recipe)))

    def _rivals(
        self, student: Student, question: Question, recipe: Recipe
    ) -> Iterator[tuple[BaselineSpec, Future[Outcome]]]:
        assert question.network is not None  # noqa: S101  # asked only of networks
        for spec in (b for b in self._assignment.baselines if b.id in question.network.baselines and b.question):
            try:
                other = self._network(student, self._assignment.question(str(spec.question)))
            except Unanswered:
                continue  # that question says so
            yield spec, self._submit(other, recipe)

    def _network(self, student: Student, question: Question) -> CapturedNetwork:
        name = question.answers[0].name
        student.network(name)  # that it can be rebuilt is known from here on
        return of_student(student, name)

    def _submit(self, network: CapturedNetwork, recipe: Recipe) -> Future[Outcome]:
        return self._trainer.submit(Job(network, recipe, self._assignment.seeds.training))

    def _measured(self, student: Student, started: Started | str) -> Measured:
        """What the trainings gave; nothing here can pass or fail a check."""
        unscored = AssignmentError("this check needs the reference's training, which is not here.")
        if isinstance(started, str):
            return Measured(None, started, (), (), unscored, unscored)
        outcome = started.outcome.result()
        if outcome.training is None:
            return Measured(None, outcome.reason, (), (), unscored, unscored)
        try:
            result = self._result(student, started, outcome.training)
        except (Unanswered, WorkerLost) as e:
            return Measured(None, str(e), (), (), unscored, unscored)
        return Measured(result, "", (), (), unscored, unscored)

    def _result(self, student: Student, started: Started, training: Training) -> ModelResult:
        rebuilt = student.network(started.question.answers[0].name)
        subject = Subject(
            question=started.question,
            recipe_name=started.recipe_name,
            recipe=started.recipe,
            rebuilt=rebuilt,
            fingerprint=rebuilt.fingerprint,
            method=METHOD,
            reason=REASON,
        )
        found = ((spec, future.result().training) for spec, future in started.rivals)
        beside = (self._compared(student, spec, theirs) for spec, theirs in found if theirs)
        return self._results.of(subject, training, beside).model_copy(update={"graded": False})

    def _compared(self, student: Student, spec: BaselineSpec, training: Training) -> Compared:
        network = student.network(self._assignment.question(str(spec.question)).answers[0].name)
        return Compared(spec, training, network.parameter_count, network.flops)
