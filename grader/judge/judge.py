"""Submission -> Scorecard. The trusted process: holds references, labels and points, and never runs student code.

It starts the zygote and the trainer, runs one pytest session over all submissions, and says each scorecard the moment
it is complete.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch

from grader import assignment, data, sandbox
from grader.assignment import Question
from grader.errors import AssignmentError, GraderError, SandboxUnavailable, WorkerLost
from grader.judge import environment, unjudged
from grader.judge.cards import Setting, judged, scorecard
from grader.judge.case import Case, Work
from grader.judge.plugin import Plugin, options
from grader.measurement import Measured, Measurements, OneBatch
from grader.measurement.practice import Practice
from grader.model import Judged, Submission
from grader.plan import Plan
from grader.processes.crew import Crew, Source
from grader.processes.interpreter import Fresh
from grader.processes.origin import Lent
from grader.processes.preludes import Prelude, preludes
from grader.reference import Reference
from grader.student import Student
from grader.trainer import Place, Trainer

Say = Callable[..., None]
Finished = Mapping[str, Mapping[str, Judged]]
"""By student and question."""


@dataclass(frozen=True)
class Shared:
    """What the judges of one machine have in common, made by the process that they were forked from.

    The sandbox, or why there is none; how a zygote is had, and how all are ended; the images; how a place at the pool
    of training processes is had; and who is next, for each submission is judged by one of them.
    """

    sandbox: sandbox.Sandbox | GraderError
    zygote: Callable[[Prelude], Lent]
    end: Callable[[], None]
    images: data.DataSet | None
    pool: Callable[[], socket.socket]
    deal: Callable[[], Iterable[Submission]]


def judge(
    plan: Plan,
    submissions: list[Submission],
    say: Say,
    finished: Finished | None = None,
    shared: Shared | None = None,
    workers: Fresh | None = None,
) -> None:
    """Judge all submissions, or those that are dealt to this judge, and say what happens.

    What is `finished` of them is not judged again. `workers` is where they come from if this machine cannot fork.
    Raises the exceptions of errors.py for what the instructor mends.
    """
    torch.set_num_threads(1)
    spec = assignment.load(Path(plan.assignment))
    reference = Reference(Path(plan.reference), spec) if plan.reference else None
    asked = assignment.asked(spec, plan.questions)
    images = _images(plan, shared) if plan.train and (plan.data or any(q.network for q in asked)) else None
    device, why = environment.choose_device(plan.device)
    secrets = tuple(map(Path, plan.secrets))
    chosen = _chosen(plan, secrets, shared)
    if reference and chosen.isolation.level < sandbox.LEAST_FOR_HIDDEN and not plan.trust:
        raise SandboxUnavailable(
            f"hidden checks are not run at isolation level {chosen.isolation.level} ({chosen.isolation.name}), where "
            f"student code could read them: {chosen.isolation.reason}. Grade on Linux, or add --trust-submissions if "
            f"you have read the submissions."
        )
    with contextlib.ExitStack() as stack:
        if workers and not chosen.forks:
            crew: Source = workers
        else:
            chosen, crew = _crew(chosen, plan, secrets, shared, preludes(submissions)[0])
            stack.enter_context(contextlib.closing(crew))
        setting = Setting(spec, reference, chosen.isolation, environment.of(spec, plan, images, device), asked)
        level = f"isolation level {chosen.isolation.level} ({chosen.isolation.name})"
        say("ready", text=f"{images.name}; {device} ({why}); {level}" if images else level)
        measure = None
        if images:
            trainer = stack.enter_context(_trainer(plan, images, device, shared))
            measuring = _measuring(setting, plan, trainer, images, device)
            stack.callback(measuring.close)
            measure = measuring.start
        alone = (lambda student: measure(student).result() if measure else None) if plan.frugal else None
        opened = partial(Student, assignment=spec, crew=crew, alone=alone)
        _session(setting, submissions, opened, measure, say, finished or {}, shared.deal if shared else None)


def _images(plan: Plan, shared: Shared | None) -> data.DataSet:
    there = shared.images if shared else None
    return there or data.open_default(Path(plan.data) if plan.data else None)


def _chosen(plan: Plan, secrets: tuple[Path, ...], shared: Shared | None) -> sandbox.Sandbox:
    if shared is None:
        return sandbox.choose(require=plan.require, fresh=plan.fresh, folders=secrets)
    if isinstance(shared.sandbox, GraderError):
        raise shared.sandbox
    return shared.sandbox


def _trainer(plan: Plan, images: data.DataSet, device: str, shared: Shared | None) -> Trainer:
    """The trainer of this judge alone, or its place at the pool, whose results lie where every judge finds them."""
    cache = Path(plan.cache) if plan.cache else None
    if shared is None:
        return Trainer(images, device, plan.jobs, cache)
    return Trainer(images, device, plan.jobs, cache or Path(plan.scratch) / "trained", Place(shared.pool))


def _measuring(
    setting: Setting, plan: Plan, trainer: Trainer, images: data.DataSet, device: str
) -> Measurements | OneBatch | Practice:
    """What is measured of networks: all that is graded, the learning of one batch, or a look without a reference."""
    if setting.reference is None:
        return Practice(setting.questions, setting.assignment, trainer, images, device)
    if plan.train == "one_batch":
        return OneBatch(setting.assignment, trainer, device)
    return Measurements(setting.assignment, setting.reference, trainer, images, device, plan.speed)


def _crew(
    chosen: sandbox.Sandbox, plan: Plan, secrets: tuple[Path, ...], shared: Shared | None, first: Prelude
) -> tuple[sandbox.Sandbox, Source]:
    """What workers come from, and what shuts them in.

    Behind walls a zygote may miss packages that a student has installed in an unusual place. Where there is nothing to
    guard, for it is the student's own code beside no reference, checking goes on without walls.
    """
    folder = Path(plan.scratch) / "workers"
    folder.mkdir(exist_ok=True)
    try:
        start, end = (shared.zygote, shared.end) if shared else (None, None)
        return chosen, Crew(folder, chosen, secrets, start, first, end) if chosen.forks else Fresh(folder)
    except (WorkerLost, SandboxUnavailable):
        if plan.reference:
            raise
        return sandbox.choose(require=plan.require, fresh=True), Fresh(folder)


def _session(
    setting: Setting,
    submissions: list[Submission],
    opened: Callable[[Submission], Student],
    measure: Callable[[Student], Future[dict[str, Measured]]] | None,
    say: Say,
    finished: Finished,
    deal: Callable[[], Iterable[Submission]] | None,
) -> None:
    """One pytest session over all submissions, or those of them that are dealt to it."""
    spec = setting.assignment

    def decided(case: Case, question: Question) -> None:
        found = case.judged[question.id] = judged(setting, case, question)
        say("judged", student_id=case.submission.student_id, judged=found.model_dump_json(round_trip=True))

    def finish(case: Case) -> None:
        try:
            card = scorecard(setting, case)
        except Exception as e:  # noqa: BLE001  # one submission's trouble is not the others'
            card = unjudged.scorecard(spec, case.submission, f"{type(e).__name__}: {e}")
            with contextlib.suppress(WorkerLost):
                case.student.close()
        say("finished", student_id=card.student_id, scorecard=card.model_dump_json(round_trip=True))

    work = Work(
        assignment=spec,
        reference=setting.reference,
        submissions=submissions,
        open=opened,
        measure=measure,
        only=setting.questions,
        began=lambda submission: say("began", student_id=submission.student_id),
        checked=lambda submission, result: say(
            "checked", student_id=submission.student_id, text=result.id, verdict=result.verdict
        ),
        decided=decided,
        finish=finish,
        finished=finished,
        deal=deal,
    )
    plugin = Plugin(work)
    with _quiet_pytest():
        code = pytest.main(options(_checks(setting)), plugins=[plugin])
    if plugin.fault:
        raise plugin.fault
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
        raise RuntimeError(f"pytest could not run the checks of {spec.id} ({pytest.ExitCode(code).name})")


def _checks(setting: Setting) -> list[Path]:
    """The folders of checks, or the files of the questions that were asked for. Raises AssignmentError for none.

    Without a path pytest would look for tests where the command was given, which may be among submissions.
    """
    spec, reference = setting.assignment, setting.reference
    found = [spec.checks_folder] if any(spec.checks_folder.glob("test_*.py")) else []
    if len(setting.questions) != len(spec.questions):
        found = [path for q in setting.questions if (path := spec.checks_folder / f"test_{q.id}.py").is_file()]
    if reference:
        found.append(reference.checks_folder)
    if not found:
        raise AssignmentError(f"{spec.id} has no checks to run here: wanted test_QUESTION.py in {spec.checks_folder}.")
    return found


@contextlib.contextmanager
def _quiet_pytest() -> Iterator[None]:
    """No plug-in of the machine's and no options from the environment: the same session everywhere."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ.pop("PYTEST_ADDOPTS", None)
    yield
