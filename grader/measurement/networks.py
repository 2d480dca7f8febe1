"""The networks that a measurement trains, ready for the trainer: the student's, the reference's, the baselines'.

To write down an EfficientNet takes seconds of processor time. The reference's is the same in each grading, so it is
kept beside what was trained.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from importlib import metadata
from pathlib import Path
from typing import Any

from grader import data as datasets
from grader.assignment import Assignment, BaselineSpec
from grader.errors import DataError
from grader.graph.rebuild import Refused, rebuild
from grader.model import Verdict
from grader.processes.process import Unanswered
from grader.reference import Reference
from grader.store import basis
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
    """The reference's networks and its baselines, made ready once, and the student's baselines.

    The reference's are kept in `folder`.
    """

    def __init__(self, assignment: Assignment, reference: Reference, folder: Path) -> None:
        self._assignment = assignment
        self._reference = reference
        self._folder = folder
        self._ready: dict[tuple[str, str, int], CapturedNetwork] = {}
        self._baselines: dict[str, tuple[CapturedNetwork, int, int]] = {}

    def of_reference(self, file: str, name: str, more: int = 0) -> CapturedNetwork:
        """A network of the reference's, `more` added to the seed of its weights."""
        if (file, name, more) not in self._ready:
            path = self._path(file, name, more)
            self._ready[file, name, more] = _kept(path) or self._made(path, file, name, more)
        return self._ready[file, name, more]

    def _made(self, path: Path, file: str, name: str, more: int) -> CapturedNetwork:
        """A network of the reference's, written down and kept in place of what it was before."""
        found = self._reference.captured(file, name, more)
        made = captured(found.ir, found.tensors)
        with contextlib.suppress(OSError):  # it is made again
            datasets.save_tensors(path, made.tensors, {**_note(made), "digest": _digest(made)})
            for before in set(path.parent.glob(f"{path.name.partition('.')[0]}.*")) - {path}:
                before.unlink(missing_ok=True)
        return made

    def _path(self, file: str, name: str, more: int) -> Path:
        """The file of a network: named by what it is, and by all that it follows from."""
        made_by = [basis.engine(), basis.machine(), metadata.version("torch"), metadata.version("torchvision")]
        asked = [(q.network.classes, q.network.input_shape) for q in self._assignment.questions if q.network]
        seed = self._assignment.seeds.weights + more
        about = [file, name, seed, asked, self._reference.lasting_seed("networks"), *made_by]
        what = [self._assignment.id, file, name, more]  # no path: on another machine it is unpacked anew for each job
        names = (hashlib.sha256(json.dumps(part).encode()).hexdigest()[:32] for part in (what, about))
        return self._folder / f"{'.'.join(names)}.safetensors"

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


def _note(network: CapturedNetwork) -> dict[str, Any]:
    return {"ir": network.ir, "fingerprint": network.fingerprint, "weights_digest": network.weights_digest}


def _digest(network: CapturedNetwork) -> str:
    return datasets.digest_of(_note(network), network.tensors)


def _kept(path: Path) -> CapturedNetwork | None:
    """A network that was kept; None where there is none, or not a whole one."""
    try:
        tensors, note = datasets.load_tensors(path)
        found = CapturedNetwork(note["ir"], tensors, note["fingerprint"], note["weights_digest"])
        return found if _digest(found) == note["digest"] else None
    except (DataError, KeyError):
        return None
