"""The networks that a measurement trains, ready for the trainer: the student's, the reference's, the baselines'.

To write down an EfficientNet takes seconds of processor time. The reference's is the same in each grading, so its
digests are kept beside what was trained: where that is known, the network itself is not needed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from importlib import metadata
from pathlib import Path

from grader import data as datasets
from grader.assignment import Assignment, BaselineSpec
from grader.errors import DataError
from grader.graph.rebuild import Refused, rebuild
from grader.model import Verdict
from grader.processes.process import Unanswered
from grader.reference import Reference
from grader.store import basis
from grader.student import Student
from grader.trainer import CapturedNetwork, NamedNetwork, captured


def of_student(student: Student, name: str, more: int = 0) -> CapturedNetwork:
    """A student's network; `more` is added to the seed of its weights. Raises Unanswered."""
    found = student.captured(name, more)
    try:
        return captured(found.ir, found.tensors)
    except Refused as e:
        raise Unanswered(Verdict.FAILED, f"{name} cannot be rebuilt: {e}") from e


class Networks:
    """The reference's networks and its baselines, made ready once, and the student's baselines.

    The names of the reference's are kept in `folder`.
    """

    def __init__(self, assignment: Assignment, reference: Reference, folder: Path) -> None:
        self._assignment = assignment
        self._reference = reference
        self._folder = folder
        self._ready: dict[tuple[str, str, int], CapturedNetwork] = {}
        self._baselines: dict[str, tuple[CapturedNetwork, int, int]] = {}

    def of_reference(self, file: str, name: str, more: int = 0) -> CapturedNetwork:
        """A network of the reference's, whole."""
        if (file, name, more) not in self._ready:
            found = self._reference.captured(file, name, more)
            made = self._ready[file, name, more] = captured(found.ir, found.tensors)
            note = {"fingerprint": made.fingerprint, "weights_digest": made.weights_digest}
            with contextlib.suppress(OSError):  # it is made again
                datasets.save_tensors(self._kept(file, name, more), {}, note)
        return self._ready[file, name, more]

    def named(self, file: str, name: str, more: int = 0) -> NamedNetwork:
        """A network of the reference's by its name alone, where this was kept; else whole."""
        try:
            note = datasets.load_tensors(self._kept(file, name, more))[1]
            return self._ready.get((file, name, more)) or NamedNetwork(**note)
        except (DataError, TypeError):
            return self.of_reference(file, name, more)

    def _kept(self, file: str, name: str, more: int) -> Path:
        """The file of a network's name. All is in its key that the network follows from."""
        made_by = [basis.engine(), basis.machine(), metadata.version("torch"), metadata.version("torchvision")]
        asked = [(q.network.classes, q.network.input_shape) for q in self._assignment.questions if q.network]
        seed = self._assignment.seeds.weights + more
        about = [file, name, seed, asked, self._reference.lasting_seed("names of networks"), *made_by]
        return self._folder / f"{hashlib.sha256(json.dumps(about).encode()).hexdigest()}.name.safetensors"

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
