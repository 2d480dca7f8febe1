"""What a check sees of a submission: names that can be run, networks that can be asked. Every call is a request.

Theory of operation. The layer questions share one worker; each network has its own. A worker that dies takes only the
request that killed it with it: the name that it was asked for answers the same way from then on, and the next request
starts a fresh worker. When reading the submission itself kills the worker (an endless loop at the top of a cell), the
questions are read again one by one, so that one question's loop does not cost the others their points.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import Tensor

from grader import captured as graphs
from grader import wire
from grader.assignment import Answer, Assignment, Question
from grader.captured import Captured, Uncapturable
from grader.errors import WorkerLost
from grader.graph.rebuild import Network
from grader.model import Submission, Verdict
from grader.processes.crew import Patience, Source
from grader.processes.exchange import network_body
from grader.processes.process import Unanswered
from grader.processes.station import DEATHS, Station, sentence
from grader.recipe import Recipe
from grader.source import outputs

CAPTURE_BATCH = 64
T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """One run of a layer under the student's own weights, {} where it has none that are known."""

    output: Tensor
    weights: dict[str, Tensor]


class Student:
    """A submission as checks see it.

    Where memory is short, `alone` is called once: when the first network is asked for, all are captured, no process is
    left beside the judge's, and it has not yet rebuilt any of them.
    """

    def __init__(
        self,
        submission: Submission,
        assignment: Assignment,
        crew: Source,
        alone: Callable[[Student], object] | None = None,
    ) -> None:
        self._alone = alone
        self.submission = submission
        self._files = outputs.without(submission.files)
        self._assignment = assignment
        self._crew = crew
        self._answers: dict[str, tuple[Question, Answer]] = {
            a.name: (q, a) for q in assignment.questions for a in q.answers
        }
        self._patience = Patience()
        self._layers = self._station([q for q in assignment.questions if not q.network])
        self._stations = {q.id: self._station([q]) if q.network else self._layers for q in assignment.questions}
        self._open = {q.id for q in assignment.questions}
        self._final: dict[tuple[str, str], Unanswered] = {}
        self._networks: dict[str, Network] = {}
        self._captured: dict[tuple[str, int], Captured] = {}
        self.asked: tuple[str, tuple[int, ...]] | None = None  # the name last run, and the shape of its first input

    def _station(self, questions: list[Question]) -> Station:
        return Station(self._files, questions, self._assignment, self._crew, self._patience)

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
            self._write_down()
            captured = self.captured(name)
            self._networks[name] = self._once(name, "rebuild", lambda: graphs.rebuilt(name, captured))
        return self._networks[name]

    def _write_down(self) -> None:
        """Capture every network, each in a worker that ends with it, and let go of what workers come from; once.

        What goes wrong is told to those who ask for the network.
        """
        if (alone := self._alone) is None:
            return
        self._alone = None
        self._layers.close()
        for question in (q for q in self._assignment.questions if q.network and q.id in self._open):
            for answer in question.answers:
                with contextlib.suppress(Unanswered, WorkerLost):
                    self.captured(answer.name)
            self._stations[question.id].close()
        self._crew.rest()
        alone(self)

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
        return graphs.of(name, self._ask(name, wire.Message("capture", body)))

    def notes(self, question: Question) -> tuple[str, ...]:
        """What is to be said of how the networks of a question were made, as far as they were captured."""
        captured = ((a.name, self._captured.get((a.name, 0))) for a in question.answers)
        return tuple(f"{name}: {c.note}" for name, c in captured if c and c.note)

    def without_graph(self, question: Question) -> Uncapturable | None:
        """Why a network that this question asks for, and that runs, could not be captured; None where all could."""
        found = (self._final.get((a.name, "capture")) for a in question.answers)
        return next((e for e in found if isinstance(e, Uncapturable)), None)

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
        return {"name": name, "network": network_body(question), "seed": self._assignment.seeds.weights + more}

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

    def remarks_of(self, question: Question) -> tuple[str, ...]:
        """As `remarks`, of what was read for one question."""
        return self._stations[question.id].remarks

    def needs(self, question: Question) -> bool:
        """Whether this question is still to be answered."""
        return question.id in self._open

    def done(self, question: Question) -> str:
        """Nothing more is asked of this question: end its worker, unless it serves others; what the code printed.

        What was printed in reading all layer questions together, where that failed, is told with the first of them.
        """
        self._open.discard(question.id)
        station = self._stations[question.id]
        before = self._layers.close() if station is not self._layers and question in self._layers.questions[:1] else ""
        shared = any(self._stations[other] is station for other in self._open)
        return before if shared else before + station.close()

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
            raise Unanswered(Verdict.MISSING, sentence(str(state.get("message", ""))) or f"{name} is not there.")
        if state["state"] == "raised":
            raise self._station_of(question).raised(name, state, "while it was being defined")

    def _station_of(self, question: Question) -> Station:
        """The question's station; when the shared one died while reading, the question gets its own."""
        station = self._stations[question.id]
        if station is self._layers and len(station.questions) > 1:
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
