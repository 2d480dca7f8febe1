"""The learning of one batch and no more: what a machine can measure that is too small to train networks.

Nothing of torch's is used here that loads what it compiles with, which would be 80 MB in the judge while a network
learns beside it: so a network is named by its bytes as they came, and not by its canonical form.
"""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import Future, ThreadPoolExecutor
from weakref import WeakKeyDictionary

from grader.assignment import Assignment, Question
from grader.captured import Captured, Uncapturable
from grader.data import digest_of
from grader.errors import WorkerLost
from grader.measurement import outcomes
from grader.measurement.accuracy import Measured
from grader.model import Verdict
from grader.processes.process import Unanswered
from grader.student import Student
from grader.trainer import CapturedNetwork, Job, Outcome, Trainer

LATER = "Graded later, on the course's machine: it needs a whole training."


class OneBatch:
    """Has the networks of one student after another learn one batch of images, whatever images there are."""

    def __init__(self, assignment: Assignment, trainer: Trainer, device: str) -> None:
        self._assignment = assignment
        self._trainer = trainer
        self._device = device
        self._waiting = ThreadPoolExecutor(1, "one-batch")
        self._begun: WeakKeyDictionary[Student, Future[dict[str, Measured]]] = WeakKeyDictionary()

    def close(self) -> None:
        """Give up what is not finished."""
        self._waiting.shutdown(wait=False, cancel_futures=True)

    def start(self, student: Student) -> Future[dict[str, Measured]]:
        """Begin with a student's networks, once; what was measured by question id, some day."""
        if student not in self._begun:
            self._begun[student] = self._started(student)
        return self._begun[student]

    def _started(self, student: Student) -> Future[dict[str, Measured]]:
        questions = [q for q in self._assignment.questions if q.network and student.needs(q)]
        started = [(q, self._start(student, q)) for q in questions]
        return self._waiting.submit(lambda: {q.id: _measured(q, source) for q, source in started})

    def _start(self, student: Student, question: Question) -> Future[Outcome] | Exception:
        """The losses of a network, or why there are none."""
        name = question.answers[0].name
        _, recipe = self._assignment.recipe(question.id, self._device, "quick")
        try:
            network = _as_it_came(student.captured(name))
        except (Uncapturable, Unanswered, WorkerLost) as e:
            return e
        except Exception as e:  # noqa: BLE001  # a fault of ours in one network is INTERNAL there, and ends no session
            return WorkerLost(f"{type(e).__name__}: {e}")
        return self._trainer.submit(Job(network, recipe, self._assignment.seeds.training, "overfit"))


def _as_it_came(found: Captured) -> CapturedNetwork:
    """A network that is equal to none that is written otherwise."""
    graph = json.dumps(found.ir, sort_keys=True)
    return CapturedNetwork(
        found.ir, found.tensors, hashlib.sha256(graph.encode()).hexdigest(), digest_of("", found.tensors)
    )


def _measured(question: Question, source: Future[Outcome] | Exception) -> Measured:
    """The losses; an accuracy is had later."""
    try:
        losses = outcomes.losses(source, question.answers[0].name)
    except Exception as e:  # noqa: BLE001  # a fault of ours costs this question nothing, and the others neither
        losses = WorkerLost(f"{type(e).__name__}: {e}")
    return Measured(None, "", (), (), Unanswered(Verdict.UNGRADED, LATER), losses)
