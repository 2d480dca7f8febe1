"""The trainings that a measurement waits for, and what is read off them when they have ended."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from grader.assignment import BaselineSpec, Question
from grader.errors import WorkerLost
from grader.measurement.testimony import Testimony
from grader.model import Verdict
from grader.processes import advice
from grader.processes.process import Unanswered
from grader.recipe import Recipe
from grader.trainer import CapturedNetwork, Outcome
from grader.training import Training


@dataclass(frozen=True, eq=False, kw_only=True)
class InWorker(Outcome):
    """A training in the student's own process, and all that this process claims of it."""

    told: Testimony


@dataclass(frozen=True)
class Rival:
    """A baseline in training. `same`: it is the student's own network, weights and all, so the two will be equal."""

    spec: BaselineSpec
    outcome: Future[Outcome]
    parameters: int
    flops: int
    same: bool


@dataclass(frozen=True)
class Started:
    """The trainings that one question's measurement waits for; without one of its own there are no others."""

    question: Question
    name: str
    recipe_name: str
    recipe: Recipe
    method: str
    reason: str
    network: CapturedNetwork | None
    own: Future[Outcome] | Exception
    losses: Future[Outcome] | Exception
    references: tuple[Future[Outcome], ...]
    baselines: tuple[Rival, ...]


def reason(started: Started) -> str:
    """Why it was measured so, and which baselines it cannot differ from."""
    same = [f"it is the same network as {r.spec.title}, so the two are equal" for r in started.baselines if r.same]
    return "; ".join([started.reason, *same])


def told(outcome: Outcome) -> dict[str, Any]:
    """What is shown of a network without a graph: its own process's word for it."""
    if not isinstance(outcome, InWorker):
        return {}
    return {"parameters": outcome.told.parameters, "layers": outcome.told.layers}


def same(a: CapturedNetwork, b: CapturedNetwork | None) -> bool:
    """Whether the two are one network, weights and all."""
    return b is not None and (a.fingerprint, a.weights_digest) == (b.fingerprint, b.weights_digest)


def then(future: Future[Outcome], convert: Callable[[Outcome], Outcome]) -> Future[Outcome]:
    """A future of the converted result; nothing waits for it in a thread."""
    converted: Future[Outcome] = Future()

    def done(finished: Future[Outcome]) -> None:
        try:
            converted.set_result(convert(finished.result()))
        except BaseException as e:  # noqa: BLE001  # whoever waits gets it
            converted.set_exception(e)

    future.add_done_callback(done)
    return converted


def trained(outcome: Outcome, name: str) -> Outcome:
    """The outcome; the exception that says so where there was no training."""
    if outcome.training is not None:
        return outcome
    raise _fault(outcome, name)


def training(outcome: Outcome) -> Training:
    """The training of an outcome that is known to have one."""
    assert outcome.training is not None  # noqa: S101  # looked at before
    return outcome.training


def losses(source: Future[Outcome] | Exception, name: str) -> tuple[float, ...] | Exception:
    """The losses on one batch, or why there are none."""
    if isinstance(source, Exception):
        return source
    outcome = source.result()
    return outcome.losses if outcome.verdict is Verdict.PASSED else _fault(outcome, name)


def _fault(outcome: Outcome, name: str) -> Exception:
    if outcome.verdict is Verdict.INTERNAL:
        return WorkerLost(outcome.reason)
    do = {Verdict.FAILED: advice.DIVERGED, Verdict.RAISED: advice.OTHERWISE}.get(outcome.verdict, advice.SMALLER)
    return Unanswered(outcome.verdict, f"{name} could not be trained: {outcome.reason.rstrip('.')}. {do}")


def predictions(training: Training) -> NDArray[Any]:
    """The class of the highest score of each test image, (N,)."""
    return training.logits.argmax(1).numpy()
