"""What a check sees of a submission: names that can be run, networks that can be asked. Every call is a request.

Theory of operation. The layer questions share one worker; each network has its own. A worker that dies takes only the
request that killed it with it: the name that it was asked for answers the same way from then on, and the next request
starts a fresh worker. When reading the submission itself kills the worker (an endless loop at the top of a cell), the
questions are read again one by one, so that one question's loop does not cost the others their points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from grader import advice, wire
from grader.assignment import Answer, Assignment, Limits, Question
from grader.graph.rebuild import Network, Refused, rebuild
from grader.model import Submission, Verdict
from grader.process import Allowance, Source, Unanswered, Worker
from grader.recipe import Recipe

OUT_OF_MEMORY_WORDS = ("can't allocate memory", "not enough memory", "out of memory")
CAPTURE_BATCH = 64
MOST_REMARKS = 50
T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """One run of a layer under the student's own weights, {} where it has none that are known."""

    output: Tensor
    weights: dict[str, Tensor]


@dataclass(frozen=True)
class Captured:
    """A network of the student's as captured; `note` says what is unusual about its output."""

    ir: dict[str, Any]
    tensors: dict[str, Tensor]
    note: str


class Station:
    """One worker that has read some questions; started anew after a death."""

    def __init__(self, submission: Submission, questions: list[Question], assignment: Assignment, crew: Source) -> None:
        self._submission = submission
        self._questions = questions
        self._assignment = assignment
        self._crew = crew
        self._worker: Worker | None = None
        self._read: dict[str, Any] | None = None
        self._refusal: Unanswered | None = None
        self._by_role = any(q.network for q in questions)
        self._printed: list[str] = []
        self.remarks: tuple[str, ...] = ()

    @property
    def limits(self) -> Limits:
        """The most generous limits of its questions."""
        limits = [self._assignment.limits_of(q) for q in self._questions]
        return Limits(
            wall_seconds=max(x.wall_seconds for x in limits),
            memory_mib=max(x.memory_mib for x in limits),
            output_kib=max(x.output_kib for x in limits),
        )

    def read(self) -> dict[str, Any]:
        """What was found of each question. Raises `Unanswered` when nothing could be read at all."""
        if self._read is None:
            self._start()
        if self._refusal:
            raise self._refusal
        assert self._read is not None  # noqa: S101  # _start sets one of the two
        return self._read

    def _start(self) -> None:
        """A living worker that has read the questions, or a refusal.

        A network that has no known name is looked for by trying what is there; when that ends the worker, it is left.
        """
        if self._refusal or (self._worker and self._worker.alive):
            return
        try:
            self._load()
        except Unanswered as e:
            if e.verdict not in DEATHS or not self._by_role:
                self._refusal = e
                return
            self._by_role = False
            self._start()

    def _load(self) -> None:
        """Start a worker that reads the questions; the assignment's own limit holds, whatever a network may take."""
        limits = self.limits
        cpu_seconds = int(limits.wall_seconds * 4 + 60)
        allowance = Allowance(limits.memory_mib << 20, limits.output_kib << 10, cpu_seconds)
        self._worker = self._crew.worker(allowance)
        found = self._ask_worker(self._load_request(), self._assignment.limits.wall_seconds)
        reply = _accepted(found, "", self._assignment.allowed_packages)
        self._read = _readings(reply, self._questions)
        self.remarks = _remarks(reply)

    def _load_request(self) -> wire.Message:
        files = self._submission.files
        body = {
            "questions": [_asked(q, self._assignment) for q in self._questions],
            "files": [f.name for f in files],
            "seed": self._assignment.seeds.public,
            "packages": list(self._assignment.allowed_packages),
            "by_role": self._by_role,
        }
        tensors = {str(i): _as_tensor(f.data) for i, f in enumerate(files)}
        return wire.Message("load", body, tensors)

    def ask(self, request: wire.Message, wall_seconds: float, name: str) -> wire.Message:
        """The reply to a request about `name`. Raises `Unanswered`."""
        self._start()
        self.read()
        return _accepted(self._ask_worker(request, wall_seconds), name, self._assignment.allowed_packages)

    def _ask_worker(self, request: wire.Message, wall_seconds: float) -> wire.Message:
        assert self._worker is not None  # noqa: S101  # started by the caller
        try:
            return self._worker.ask(request, wall_seconds)
        finally:
            if not self._worker.alive:
                self._printed.append(self._worker.output)

    def close(self) -> str:
        """End the worker; what the code printed."""
        if self._worker and self._worker.alive:
            self._worker.end()
            self._printed.append(self._worker.output)
        return "".join(self._printed)


class Student:
    """A submission as checks see it."""

    def __init__(self, submission: Submission, assignment: Assignment, crew: Source) -> None:
        self.submission = submission
        self._assignment = assignment
        self._crew = crew
        self._answers: dict[str, tuple[Question, Answer]] = {
            a.name: (q, a) for q in assignment.questions for a in q.answers
        }
        self._layers = self._station([q for q in assignment.questions if not q.network])
        self._stations = {q.id: self._station([q]) if q.network else self._layers for q in assignment.questions}
        self._final: dict[tuple[str, str], Unanswered] = {}
        self._networks: dict[str, Network] = {}
        self._captured: dict[tuple[str, int], Captured] = {}
        self.asked: tuple[str, tuple[int, ...]] | None = None  # the name last run, and the shape of its first input

    def _station(self, questions: list[Question]) -> Station:
        return Station(self.submission, questions, self._assignment, self._crew)

    # ------------------------------------------------------------------------------------------------ for the checks

    def run(self, name: str, *inputs: Tensor, weights: dict[str, Tensor] | None = None) -> Tensor:
        """The output of the layer `name` on `inputs`, under `weights` when given."""
        return self._run(name, inputs, weights).output

    def run_own(self, name: str, *inputs: Tensor) -> Run:
        """The output of the layer `name` under its own weights, and those."""
        return self._run(name, inputs, None)

    def _run(self, name: str, inputs: tuple[Tensor, ...], weights: dict[str, Tensor] | None) -> Run:
        self.asked = (name, tuple(inputs[0].shape) if inputs else ())
        tensors = {str(i): x for i, x in enumerate(inputs)} | {f"w.{k}": v for k, v in (weights or {}).items()}
        body = {"name": name, "inputs": len(inputs), "seed": self._assignment.seeds.weights}
        reply = self._ask(name, wire.Message("run", body, tensors))
        if "output" not in reply.tensors:
            raise Unanswered(Verdict.FAILED, f"{name} gave no output.")
        return Run(reply.tensors["output"], {k[2:]: v for k, v in reply.tensors.items() if k.startswith("w.")})

    def network(self, name: str) -> Network:
        """The network `name`, rebuilt from its graph."""
        self.asked = (name, ())
        if name not in self._networks:
            captured = self.captured(name)
            self._networks[name] = self._once(name, "rebuild", lambda: _rebuilt(name, captured))
        return self._networks[name]

    # ------------------------------------------------------------------------------------------------- for the judge

    def captured(self, name: str, more: int = 0) -> Captured:
        """The graph and weights of the network `name`. Raises `Unanswered`, also when it has no faithful graph.

        `more` is added to the seed of the weights; a network that was bound to its name ready-made keeps its own.
        """
        if (name, more) not in self._captured:
            what = f"capture {more}" if more else "capture"
            self._captured[name, more] = self._once(name, what, lambda: self._capture(name, more))
        return self._captured[name, more]

    def _capture(self, name: str, more: int) -> Captured:
        body = {**self._model_body(name, more), "batch": CAPTURE_BATCH}
        reply = self._ask(name, wire.Message("capture", body))
        note = str(reply.body.get("note", ""))
        if reply.kind == "uncapturable":
            reason = str(reply.body.get("reason", ""))
            raise Uncapturable(f"{name} cannot be written down as a graph, so its parts cannot be checked: {reason}")
        ir = reply.body.get("ir")
        if not isinstance(ir, dict):
            raise Unanswered(Verdict.FAILED, f"{name} gave no graph.")
        return Captured(ir, reply.tensors, note)

    def train(self, name: str, recipe: Recipe, images: dict[str, Tensor], more: int = 0) -> wire.Message:
        """Train the network `name` in its worker: the second step of the ladder, for what has no faithful graph.

        `more` is added to both seeds.
        """
        body = {
            **self._model_body(name, more),
            "recipe": recipe.to_dict(),
            "training_seed": self._assignment.seeds.training + more,
        }
        return self._ask(name, wire.Message("train", body, images))

    def _model_body(self, name: str, more: int) -> dict[str, Any]:
        question, _ = self._answers[name]
        return {"name": name, "network": _network(question), "seed": self._assignment.seeds.weights + more}

    def reading(self, question: Question) -> dict[str, Any] | Unanswered:
        """What was found of a question, or why nothing was."""
        if self.submission.problem:
            return Unanswered(Verdict.MISSING, self.submission.problem)
        try:
            return dict(self._station_of(question).read()[question.id])
        except Unanswered as e:
            return e

    @property
    def remarks(self) -> tuple[str, ...]:
        """What could not be read of the files, and what was changed in reading them."""
        return tuple(dict.fromkeys(remark for station in self._all() for remark in station.remarks))

    def close(self) -> str:
        """End its workers; what the code printed, worker by worker."""
        return "".join(station.close() for station in self._all())

    def _all(self) -> list[Station]:
        return list(dict.fromkeys([self._layers, *self._stations.values()]))

    # -------------------------------------------------------------------------------------------------------- asking

    def _ask(self, name: str, request: wire.Message) -> wire.Message:
        """The reply to a request about `name`; a death is final for this kind of request about this name."""
        question, _ = self._answers[name]
        self._must_be_found(question, name)
        limits = self._assignment.limits_of(question)
        station = self._station_of(question)
        return self._once(name, request.kind, lambda: station.ask(request, limits.wall_seconds, name), keep=DEATHS)

    def _must_be_found(self, question: Question, name: str) -> None:
        reading = self.reading(question)
        if isinstance(reading, Unanswered):
            raise reading
        state = reading["names"].get(name, {"state": "missing", "message": ""})
        if state["state"] == "missing":
            raise Unanswered(Verdict.MISSING, _sentence(str(state.get("message", ""))) or f"{name} is not there.")
        if state["state"] == "raised":
            raise _raised(name, state, "while it was being defined", self._assignment.allowed_packages)

    def _station_of(self, question: Question) -> Station:
        """The question's station; when the shared one died while reading, the question gets its own."""
        station = self._stations[question.id]
        if station is self._layers and not question.network:
            try:
                station.read()
            except Unanswered as e:
                if e.verdict in DEATHS:
                    station = self._stations[question.id] = self._station([question])
        return station

    def _once(self, name: str, what: str, do: Callable[[], T], keep: frozenset[Verdict] | None = None) -> T:
        """`do()`, unless it failed before: then the same answer without asking again."""
        if (name, what) in self._final:
            raise self._final[name, what]
        try:
            return do()
        except Unanswered as e:
            if keep is None or e.verdict in keep:
                self._final[name, what] = e
            raise


class Uncapturable(Unanswered):
    """The network runs, but has no faithful graph."""

    def __init__(self, message: str) -> None:
        super().__init__(Verdict.FAILED, message)


DEATHS = frozenset({Verdict.TIMED_OUT, Verdict.CRASHED, Verdict.OUT_OF_MEMORY})


def _rebuilt(name: str, captured: Captured) -> Network:
    try:
        return rebuild(captured.ir, captured.tensors)
    except Refused as e:
        raise Unanswered(Verdict.FAILED, f"{name} cannot be rebuilt: {e}") from e


def _readings(reply: wire.Message, questions: list[Question]) -> dict[str, Any]:
    """What a worker claims to have found of each question, so far as it can be understood at all."""
    read = reply.body.get("questions")
    if reply.kind != "loaded" or not isinstance(read, dict) or not all(_is_reading(read.get(q.id)) for q in questions):
        raise Unanswered(Verdict.FAILED, "What was found in the submission came back in a form that cannot be read.")
    return read


def _remarks(reply: wire.Message) -> tuple[str, ...]:
    """What a worker says it could not read or had to change; only shown."""
    lists = [reply.body.get(key) for key in ("problems", "notes")]
    return tuple(str(remark) for found in lists if isinstance(found, list) for remark in found)[:MOST_REMARKS]


def _is_reading(value: object) -> bool:
    match value:
        case {"names": dict(names), "dropped": list(), "explanation": None | str()}:
            return all(_is_found(found) for found in names.values())
    return False


def _is_found(value: object) -> bool:
    match value:
        case {"state": "found", "rule": str()} | {"state": "missing" | "raised"}:
            return True
    return False


def _accepted(reply: wire.Message, name: str, allowed: tuple[str, ...]) -> wire.Message:
    """The reply, unless it says that there is no answer."""
    if reply.kind == "refused":
        raise Unanswered(Verdict.FAILED, _sentence(str(reply.body.get("message", ""))))
    if reply.kind == "raised":
        raise _raised(name or "the submission", reply.body, "", allowed)
    return reply


def _raised(name: str, body: dict[str, Any], when: str, allowed: tuple[str, ...]) -> Unanswered:
    kind, text, where, package, detail = (
        str(body.get(k, "")) for k in ("type", "message", "where", "package", "detail")
    )
    if kind == "MemoryError" or any(words in text for words in OUT_OF_MEMORY_WORDS):
        return Unanswered(Verdict.OUT_OF_MEMORY, f"{name} needed more memory than is allowed ({text or kind}).", detail)
    parts = [f"{name} raised {kind}", when, f"at {where}" if where else ""]
    what = f"{' '.join(p for p in parts if p)}: {text or 'no message'}"
    do = advice.on_missing(package, allowed) if package else advice.on(kind, text)
    return Unanswered(Verdict.RAISED, f"{what.rstrip('.')}. {do}" if do else what, detail)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] if text.startswith(("the ", "nothing ")) else text


def _asked(question: Question, assignment: Assignment) -> dict[str, Any]:
    """A question as the worker needs it: names and headings, no check and no point. `others` are not to be taken."""
    explanation = question.explanation
    at = assignment.questions.index(question)
    others = [
        {"question": q.id, "name": a.name, "aliases": list(a.aliases), "network_before": bool(q.network) and i < at}
        for i, q in enumerate(assignment.questions)
        for a in q.answers
        if i != at
    ]
    return {
        "id": question.id,
        "answers": [{"name": a.name, "kind": a.kind, "aliases": list(a.aliases)} for a in question.answers],
        "explanation": {"name": explanation.name, "headings": list(explanation.headings)} if explanation else None,
        "network": _network(question),
        "others": others,
    }


def _network(question: Question) -> dict[str, Any] | None:
    """The network that a question asks for, as the worker needs it."""
    network = question.network
    return {"input_shape": list(network.input_shape), "classes": network.classes} if network else None


def _as_tensor(data: bytes) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)
