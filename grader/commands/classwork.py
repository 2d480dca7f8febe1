"""Grading a class into a store: what is left of it is graded, each result is kept at once, and the pages follow."""

from __future__ import annotations

import contextlib
import platform
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from grader import batch, engines, likeness, pages, rubric
from grader.assignment import Assignment
from grader.commands.shared import OK, SOME_INTERNAL, make_folder, out
from grader.errors import StoreError
from grader.model import Judged, Scorecard, Submission
from grader.plan import Plan
from grader.store import Run, Store
from grader.store.basis import Basis, basis
from grader.store.remainder import Choice, Ground, Remainder, remainder
from grader.terminal.progress import Display

EVERYTHING = Choice()


@dataclass(frozen=True)
class Order:
    """What is to be graded, how and where. `origin` says where the submissions came from, for the next time."""

    plan: Plan
    assignment: Assignment
    submissions: list[Submission]
    origin: Mapping[str, str | None]
    where: engines.Where = field(default_factory=engines.Where)


@dataclass(frozen=True)
class Outlet:
    """Where results go: the folder, the language of its pages, and lines of JSON instead of words on stdout."""

    folder: Path
    lang: str = "en"
    json_lines: bool = False


def grade(order: Order, outlet: Outlet, choice: Choice = EVERYTHING) -> int:
    """Grade what is left of a class; the exit code."""
    make_folder(outlet.folder)
    found = basis(order.plan, order.assignment)
    ground = Ground(order.assignment.id, found.digest, order.plan.require)
    display = Display(out, json_lines=outlet.json_lines)
    with Store(outlet.folder, write=True) as store:
        work = remainder(store, ground, order.submissions, choice)
        display.plan(work)
        _rename(store, work, order.submissions)
        if work.left:
            with engines.opened(order.where, order.plan.jobs, gpu=order.plan.device == "cuda") as engine:
                _run(store, order, found, work, outlet, display, engine)
            _compare(order, store)
        book = pages.gradebook(store, order.assignment.id)
        page = pages.write(store, book, pages.look(store, outlet.lang, order.assignment.id))
    display.end(book, {s.student_id for s in order.submissions}, page)
    return SOME_INTERNAL if book.internal else OK


def _rename(store: Store, work: Remainder, submissions: list[Submission]) -> None:
    """What a platform knows of a submission (a name, lateness) may change without anything to grade again."""
    by_id = {s.student_id: s for s in submissions}
    for kept in work.unchanged:
        renamed = kept.graded.handed_in_as(by_id[kept.card.student_id])
        if renamed != kept.graded:
            store.add_scorecard(kept.run, renamed, kept.basis)


def _run(
    store: Store, order: Order, found: Basis, work: Remainder, outlet: Outlet, display: Display, engine: engines.Engine
) -> None:
    """A new run over what is left; every result is on disk before it is told."""
    submissions = list(work.left)
    run = store.begin(_row(order, found), [(s.student_id, s.digest) for s in submissions])
    look = pages.look(store, outlet.lang, order.assignment.id)

    def keep(submission: Submission, judged: Judged) -> None:
        key = (submission.student_id, submission.digest)
        store.add_question(run, key, order.assignment.id, found.digest, judged)

    def take(card: Scorecard) -> None:
        store.add_scorecard(run, card, "" if card.student_id in work.mixed else found.digest)
        pages.write_scorecard(store, store.marked(card), look)
        display.take(card)

    with _ended(store, run), _scratch(store) as scratch, display.shown():
        plan = replace(order.plan, scratch=scratch)
        journal = batch.Journal(work.finished, keep)
        batch.grade(plan, order.assignment, submissions, display.watch, take, journal, engine)


def _compare(order: Order, store: Store) -> None:
    """Whose code is alike, in the whole gradebook; that changes with who is graded."""
    students = frozenset(kept.card.student_id for kept in store.current(order.assignment.id))
    about = likeness.About(order.assignment.id, students, order.assignment.folder / "handout")
    with pages.writing(store.folder):
        likeness.keep(store.folder, order.submissions, about)


@contextlib.contextmanager
def _ended(store: Store, run: int) -> Iterator[None]:
    """Write down how the run ends, whichever way it does."""
    how = "failed"
    try:
        yield
        how = "finished"
    except KeyboardInterrupt:
        how = "interrupted"
        raise
    finally:
        with contextlib.suppress(StoreError):  # a disk that is full is told of already
            store.end(run, how)


@contextlib.contextmanager
def _scratch(store: Store) -> Iterator[str]:
    """A temporary folder that is removed, if not by us then by the next run."""
    with tempfile.TemporaryDirectory(prefix=batch.SCRATCH, ignore_cleanup_errors=True) as folder:
        if store.lock:
            store.lock.uses(folder)
        yield folder


def _row(order: Order, found: Basis) -> Run:
    reference = order.plan.reference
    rubrics = {question: r.text for question, r in rubric.load(Path(reference)).items()} if reference else {}
    environment: dict[str, Any] = {
        "title": order.assignment.title,
        "rubrics": rubrics,
        "origin": dict(order.origin),
        "plan": asdict(order.plan),
        "basis": asdict(found),
        "platform": platform.platform(),
    }
    return Run(
        assignment=order.assignment.id,
        assignment_digest=found.assignment,
        reference_digest=found.reference,
        engine=found.engine,
        python=found.python,
        torch=found.torch,
        device=found.device,
        seed=found.seed,
        recipe=found.recipe,
        data_digest=found.data,
        isolation=order.plan.require,
        basis=found.digest,
        environment=environment,
    )
