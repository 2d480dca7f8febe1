"""What a hidden check sees of the reference: the solutions, run on the trusted side."""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
import tomllib
from collections.abc import Hashable
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from grader import wire
from grader.assignment import Assignment
from grader.errors import AssignmentError
from grader.graph.capture import Captured, NotCapturable, capture
from grader.graph.rebuild import Network, rebuild
from grader.untrusted import answers, building

CAPTURE_BATCH = 64
MOST_OUTPUTS = 64
MOST_BYTES = 1 << 15
"""How many outputs of layers are kept; and of each, and of each tensor that it was asked with."""


class Reference:
    """A folder of solutions: one file per question, named as the question, that binds the asked-for names."""

    def __init__(self, folder: Path, assignment: Assignment) -> None:
        if not folder.is_dir():
            raise AssignmentError(f"there is no reference folder {folder}: give the folder of the solutions.")
        self.folder = folder
        self._assignment = assignment
        self._modules: dict[str, ModuleType] = {}
        self._outputs: dict[Hashable, Tensor] = {}
        self._captured: dict[tuple[str, str, int], Captured] = {}

    @property
    def checks_folder(self) -> Path:
        """The hidden checks."""
        return self.folder / "checks"

    @cached_property
    def rubrics(self) -> dict[str, Any]:
        """rubric.toml: how a person marks the explanations."""
        path = self.folder / "rubric.toml"
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    @cached_property
    def key(self) -> bytes:
        """A secret drawn from everything in the folder: it keys the seeds of hidden inputs."""
        h = hashlib.sha256()
        for path in sorted(p for p in self.folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
            h.update(path.relative_to(self.folder).as_posix().encode())
            h.update(path.read_bytes())
        return h.digest()

    def seed(self, digest: str, question_id: str) -> int:
        """The seed of a submission's hidden inputs to one question."""
        mac = hmac.new(self.key, f"{digest}/{question_id}".encode(), "sha256").digest()
        return int.from_bytes(mac[:7], "big")

    def lasting_seed(self, purpose: str) -> int:
        """A secret seed for what is kept with trainings: drawn from the solutions alone, so that another word in a
        rubric or a check does not make every training of a class out of date.
        """
        h = hashlib.sha256()
        for path in sorted(self.folder.glob("*.py")):
            h.update(path.name.encode())
            h.update(path.read_bytes())
        return int.from_bytes(hmac.new(h.digest(), purpose.encode(), "sha256").digest()[:7], "big")

    def run(self, name: str, *inputs: Tensor, weights: dict[str, Tensor] | None = None) -> Tensor:
        """The reference's output of the layer `name`, under `weights` when given.

        Many checks ask the same for each submission; what was asked before, bit for bit, is not worked out again.
        """
        value = self.value(name)
        asked = _question(name, value, inputs, weights or {})
        if asked in self._outputs:
            return self._outputs[asked].clone()
        drawn = torch.get_rng_state()
        output = answers.run_layer(name, value, list(inputs), weights).output
        if asked is not None and _is_small(output) and len(self._outputs) < MOST_OUTPUTS:
            repeats = torch.equal(drawn, torch.get_rng_state())  # nothing was drawn, nor was the question changed
            if repeats and asked == _question(name, value, inputs, weights or {}):
                self._outputs[asked] = output.clone()
        return output

    def network(self, name: str) -> Network:
        """The reference's network `name`, freshly rebuilt."""
        captured = self.captured(self._file(name), name)
        return rebuild(captured.ir, captured.tensors)

    def captured(self, file: str, name: str, more: int = 0) -> Captured:
        """The network `name` of `file`.py, captured as a student's is, under the assignment's seed, `more` added."""
        if (file, name, more) not in self._captured:
            torch.manual_seed(self._assignment.seeds.weights + more)
            network = next(q.network for q in self._assignment.questions if q.network)
            model = building.build_model(name, self._value(file, name), network.classes, network.input_shape[0])
            self._captured[file, name, more] = self._capture(file, name, model, network.input_shape)
        return self._captured[file, name, more]

    def _capture(self, file: str, name: str, model: nn.Module, shape: tuple[int, int, int]) -> Captured:
        try:
            return capture(model, shape, CAPTURE_BATCH)
        except NotCapturable as e:
            raise AssignmentError(f"{name} of {self.folder / file}.py cannot be captured: {e}") from e

    def value(self, name: str) -> object:
        """What the reference binds to an asked-for name."""
        return self._value(self._file(name), name)

    def _file(self, name: str) -> str:
        for question in self._assignment.questions:
            if any(a.name == name for a in question.answers):
                return question.id
        raise AssignmentError(f"no question of {self._assignment.id} asks for {name}.")

    def _value(self, file: str, name: str) -> object:
        module = self._modules.get(file) or self._load(file)
        try:
            return getattr(module, name)
        except AttributeError:
            raise AssignmentError(f"{self.folder / file}.py does not bind {name}.") from None

    def _load(self, file: str) -> ModuleType:
        path = self.folder / f"{file}.py"
        spec = importlib.util.spec_from_file_location(f"reference_{file}", path)
        if spec is None or spec.loader is None or not path.is_file():
            raise AssignmentError(f"the reference has no {path}.")
        module = importlib.util.module_from_spec(spec)
        torch.default_generator.manual_seed(self._assignment.seeds.weights)  # torch's own also writes down who asked
        try:
            spec.loader.exec_module(module)
        except Exception as e:
            raise AssignmentError(f"{path} raised {type(e).__name__}: {e}") from e
        self._modules[file] = module
        return module


def _question(name: str, value: object, inputs: tuple[Tensor, ...], weights: dict[str, Tensor]) -> Hashable:
    """All that a layer's output follows from; None where that is more than this, or large."""
    if isinstance(value, nn.Module) and value.state_dict():
        return None  # it keeps the weights that it is given, and the next question may be under its own
    given = [*enumerate(inputs), *weights.items()]
    if not all(_is_small(x) for _, x in given):
        return None
    return name, *((key, x.dtype, x.shape, wire.numbers(x)) for key, x in given)


def _is_small(tensor: Tensor) -> bool:
    return wire.is_plain(tensor) and tensor.nbytes <= MOST_BYTES
