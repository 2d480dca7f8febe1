"""Grading a class into a store: what is left of it is graded, each result is kept at once, and the pages follow."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from grader import batch, engines, likeness, pages
from grader.assignment import Assignment, rubric
from grader.commands.shared import OK, SOME_INTERNAL, complain, make_folder, out, tell_doubles, tell_lapsed
from grader.errors import StoreError, UsageError
from grader.model import Judged, Scorecard, Submission
from grader.plan import Plan
from grader.scratch import Scratch
from grader.store import Run, Store, attempts
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
        _refuse_another(store, order.assignment.id)
        work = remainder(store, ground, [a for s in order.submissions for a in s.attempts], choice)
        display.plan(work)
        _rename(store, work, order.submissions)
        if work.left:
            with engines.opened(order.where, order.plan.jobs, gpu=order.plan.device == "cuda") as engine:
                _run(store, order, found, work, outlet, display, engine)
        else:
            _remember(store, order, found)
        unfinished = _choose(store, order)
        if work.left:
            _compare(order, store)
        book = pages.gradebook(store, order.assignment.id)
        page = pages.write(store, book, pages.look(store, outlet.lang, order.assignment.id))
        tell_lapsed(store.lapsed(order.assignment.id))
        tell_doubles(book)
        _tell_withdrawn(store, order)
    display.end(book, {s.student_id for s in order.submissions}, page)
    return SOME_INTERNAL if book.internal or unfinished else OK


def _refuse_another(store: Store, assignment: str) -> None:
    """One folder, one assignment: the pages of another would be written over these."""
    known = {past.run.assignment for past in store.runs()}
    if known and assignment not in known:
        raise UsageError(
            f"{store.folder} holds the grades of {', '.join(sorted(known))}: "
            f"give those of {assignment} a folder of their own with -o."
        )


def _tell_withdrawn(store: Store, order: Order) -> None:
    taken = sorted({s.student_id for s in order.submissions} & store.withdrawn(order.assignment.id).keys())
    if taken:
        complain(f"taken out of the gradebook before, and not in it: {', '.join(taken)} (`grader withdraw ID --back`).")


def _choose(store: Store, order: Order) -> bool:
    """Of those with several attempts, make the best the one that counts; whether the harness failed in any attempt."""
    several = [s for s in order.submissions if s.earlier]
    for submission in several:
        attempts.choose(store, order.assignment.id, submission)
    return not all(attempts.final(store, order.assignment.id, s) for s in several)


def _remember(store: Store, order: Order, found: Basis) -> None:
    """Keep where submissions and dates are now from, with nothing to grade: `regrade` would take those of before."""
    before = [past.run for past in store.runs() if past.run.assignment == order.assignment.id]
    if before and before[-1].environment["origin"] != dict(order.origin):
        store.end(store.begin(_row(order, found), []), "finished")


def _rename(store: Store, work: Remainder, submissions: list[Submission]) -> None:
    """What a platform knows of a submission (a name, lateness) may change without anything to grade again."""
    by_id = {s.student_id: s for s in submissions if not s.earlier}
    for kept in (k for k in work.unchanged if k.card.student_id in by_id):
        renamed = attempts.alone(kept.graded).handed_in_as(by_id[kept.card.student_id])
        if renamed != kept.graded:
            store.add_scorecard(kept.run, renamed, kept.basis)


def _run(
    store: Store,
    order: Order,
    found: Basis,
    work: Remainder,
    outlet: Outlet,
    display: Display,
    engine: engines.Engine | None,
) -> None:
    """A new run over what is left; every result is kept before it is told."""
    named = _named(work.left)
    handed_in = {s.student_id: s for s in order.submissions}
    keys = {name: (s.student_id, s.digest) for name, s in named.items()}
    run = store.begin(_row(order, found), list(keys.values()))
    look = pages.look(store, outlet.lang, order.assignment.id)

    def keep(submission: Submission, judged: Judged) -> None:
        store.add_question(run, keys[submission.student_id], order.assignment.id, found.digest, judged)

    def take(card: Scorecard) -> None:
        key = keys[card.student_id]
        card = card.model_copy(update={"student_id": key[0]})
        store.add_scorecard(run, card, "" if key in work.mixed else found.digest)
        chosen = attempts.choose(store, order.assignment.id, handed_in[key[0]]) if card.attempt else None
        pages.write_scorecard(store, store.marked(chosen or card), look)
        display.take(card)

    with _ended(store, run), _scratch(store) as scratch, display.shown():
        plan = replace(order.plan, scratch=scratch)
        finished = {name: work.finished[key] for name, key in keys.items() if key in work.finished}
        submissions = [replace(s, student_id=name) for name, s in named.items()]
        batch.grade(plan, order.assignment, submissions, display.watch, take, batch.Journal(finished, keep), engine)


def _named(left: Iterable[Submission]) -> dict[str, Submission]:
    """The submissions by names that differ, for the run: of several attempts each has a name of its own."""
    found: dict[str, Submission] = {}
    attempts_last = sorted(left, key=lambda s: bool(s.attempt))  # so that no attempt takes a student's name
    for s in attempts_last:
        name = f"{s.student_id} ({s.attempt})" if s.attempt else s.student_id
        while name in found:
            name += "'"
        found[name] = s
    return found


def _compare(order: Order, store: Store) -> None:
    """Whose code is alike, in the whole gradebook; that changes with who is graded."""
    digests = {kept.card.student_id: kept.card.submission_digest for kept in store.current(order.assignment.id)}
    about = likeness.About(order.assignment.id, frozenset(digests), order.assignment.folder / "handout")
    counted = [
        a for s in order.submissions for a in s.attempts if not s.earlier or a.digest == digests.get(s.student_id)
    ]
    with pages.writing(store.folder):
        likeness.keep(store.folder, counted, about)


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
    """A temporary folder that is removed, if not by us then by the next run, at once where that is on this store."""
    with Scratch("run") as folder:
        if store.lock:
            store.lock.uses(str(folder))
        yield str(folder)


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
