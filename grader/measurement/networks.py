"""The networks that a measurement trains, ready for the trainer: the student's, the reference's, the baselines'."""

from __future__ import annotations

from grader.assignment import Assignment, BaselineSpec
from grader.graph.rebuild import Refused, rebuild
from grader.model import Verdict
from grader.processes.process import Unanswered
from grader.reference import Reference
from grader.student import Student
from grader.trainer import CapturedNetwork, captured


def of_student(student: Student, name: str, more: int = 0) -> CapturedNetwork:
    """A student's network; `more` is added to the seed of its weights. Raises Unanswered."""
    found = student.captured(name, more)
    try:
        return captured(found.ir, found.tensors)
    except Refused as e:
        raise Unanswered(Verdict.FAILED, f"{name} cannot be rebuilt: {e}") from e


class Networks:
    """The reference's networks and its baselines, made ready once, and the student's baselines."""

    def __init__(self, assignment: Assignment, reference: Reference) -> None:
        self._assignment = assignment
        self._reference = reference
        self._ready: dict[tuple[str, str, int], CapturedNetwork] = {}
        self._baselines: dict[str, tuple[CapturedNetwork, int, int]] = {}

    def of_reference(self, file: str, name: str, more: int = 0) -> CapturedNetwork:
        """A network of the reference's: the canonical form of an EfficientNet costs a second."""
        if (file, name, more) not in self._ready:
            found = self._reference.captured(file, name, more)
            self._ready[file, name, more] = captured(found.ir, found.tensors)
        return self._ready[file, name, more]

    def baseline(self, student: Student, spec: BaselineSpec) -> tuple[CapturedNetwork, int, int]:
        """A baseline's network, its parameters, and its FLOPs for one image. Raises Unanswered, WorkerLost."""
        if spec.question:
            name = self._assignment.question(spec.question).answers[0].name
            rebuilt = student.network(name)
            return of_student(student, name), rebuilt.parameter_count, rebuilt.flops
        if spec.id not in self._baselines:
            network = self.of_reference(str(spec.file), str(spec.name))
            rebuilt = rebuild(network.ir, network.tensors)
            self._baselines[spec.id] = network, rebuilt.parameter_count, rebuilt.flops
        return self._baselines[spec.id]
