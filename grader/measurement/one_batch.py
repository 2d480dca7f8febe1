"""The learning of one batch and no more: what a machine can measure that is too small to train networks."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from grader.assignment import Assignment, Question
from grader.errors import WorkerLost
from grader.graph.rebuild import Refused
from grader.measurement import outcomes
from grader.measurement.accuracy import Measured
from grader.model import Verdict
from grader.processes.process import Unanswered
from grader.student import Student, Uncapturable
from grader.trainer import Job, Outcome, Trainer, captured

LATER = "Graded later, on the course's machine: it needs a whole training."


class OneBatch:
    """Has the networks of one student after another learn one batch of images, whatever images there are."""

    def __init__(self, assignment: Assignment, trainer: Trainer, device: str) -> None:
        self._assignment = assignment
        self._trainer = trainer
        self._device = device
        self._waiting = ThreadPoolExecutor(1, "one-batch")

    def close(self) -> None:
        """Give up what is not finished."""
        self._waiting.shutdown(wait=False, cancel_futures=True)

    def start(self, student: Student) -> Future[dict[str, Measured]]:
        """Begin with a student's networks; what was measured by question id, some day."""
        questions = [q for q in self._assignment.questions if q.network and student.needs(q)]
        started = [(q, self._start(student, q)) for q in questions]
        return self._waiting.submit(lambda: {q.id: _measured(q, source) for q, source in started})

    def _start(self, student: Student, question: Question) -> Future[Outcome] | Exception:
        """The losses of a network, or why there are none."""
        name = question.answers[0].name
        _, recipe = self._assignment.recipe(question.id, self._device, "quick")
        try:
            found = student.captured(name)
            network = captured(found.ir, found.tensors)
        except Refused as e:
            return Unanswered(Verdict.FAILED, f"{name} cannot be rebuilt: {e}")
        except (Uncapturable, Unanswered, WorkerLost) as e:
            return e
        return self._trainer.submit(Job(network, recipe, self._assignment.seeds.training, "overfit"))


def _measured(question: Question, source: Future[Outcome] | Exception) -> Measured:
    """The losses; an accuracy is had later."""
    try:
        losses = outcomes.losses(source, question.answers[0].name)
    except Exception as e:  # noqa: BLE001  # a fault of ours costs this question nothing, and the others neither
        losses = WorkerLost(f"{type(e).__name__}: {e}")
    return Measured(None, "", (), (), Unanswered(Verdict.UNGRADED, LATER), losses)
