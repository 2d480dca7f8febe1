"""What of a class is left to grade: what was finished on the same basis is taken from the store, and not done again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from grader.errors import UsageError
from grader.model import Fault, Judged, Submission, Verdict
from grader.store import Kept, Store, SubmissionKey, attempts, people


@dataclass(frozen=True)
class Choice:
    """Who and what is graded again: by default all that has changed or is not final; `force` what has not, too.

    `students` and `questions` are ids; `failed` chooses those whose scorecard has a check that did not pass, `internal`
    those with an INTERNAL one. Nothing named means everybody, and every question.
    """

    students: frozenset[str] = frozenset()
    questions: frozenset[str] = frozenset()
    failed: bool = False
    internal: bool = False
    force: bool = False


@dataclass(frozen=True)
class Remainder:
    """The submissions that are left, with what is `finished` of them by question; and the others.

    `mixed` are those some of whose questions stay as they were on another basis, because only some were chosen.
    """

    left: tuple[Submission, ...]
    finished: Mapping[SubmissionKey, Mapping[str, Judged]]
    unchanged: tuple[Kept, ...]
    mixed: frozenset[SubmissionKey]


@dataclass(frozen=True)
class Ground:
    """What the grades are to rest on: the assignment's id, the basis's digest, and the isolation level required."""

    assignment: str
    basis: str
    level: int


def remainder(store: Store, ground: Ground, submissions: list[Submission], choice: Choice) -> Remainder:
    """Sort the chosen submissions into those that are left and those that need not be graded again.

    Several attempts of a student stand in the list like submissions of several.
    """
    kept = _kept(store, ground, submissions)
    chosen = [s for s in _named(submissions, choice.students) if _matches(kept.get(_key(s)), choice)]
    done = {_key(s): kept[_key(s)] for s in chosen if not choice.force and _holds(s, kept.get(_key(s)), ground)}
    left = [s for s in chosen if _key(s) not in done]
    finished, mixed = _finished(store, ground, left, choice)
    return Remainder(tuple(left), finished, tuple(done.values()), mixed)


def _key(submission: Submission) -> SubmissionKey:
    return submission.student_id, submission.digest


def _kept(store: Store, ground: Ground, submissions: list[Submission]) -> dict[SubmissionKey, Kept]:
    """What is kept of each: a student's current scorecard, but of an attempt its own."""
    current = {k.card.student_id: k for k in store.current(ground.assignment, withdrawn=True)}
    found: dict[SubmissionKey, Kept] = {}
    for s in submissions:
        rows = attempts.newest(store, ground.assignment, s.student_id) if s.attempt else {}
        if kept := rows.get(s.digest) if s.attempt else current.get(s.student_id):
            found[_key(s)] = kept
    return found


def _named(submissions: list[Submission], students: Iterable[str]) -> list[Submission]:
    names = set(students)
    known = {who: s.name for s in submissions for who in (s.student_id, *s.members)}
    if unknown := sorted(names - set(known)):
        hint = people.asked([i for name in unknown for i in people.near(name, known.items())])
        raise UsageError(
            f"nothing was handed in by {', '.join(unknown)}: give a student's id as it is in the gradebook.{hint}"
        )
    return [s for s in submissions if not names or names & {s.student_id, *s.members}]


def _matches(kept: Kept | None, choice: Choice) -> bool:
    """Whether a scorecard has what was asked for; whoever has none has nothing that could fail."""
    if not (choice.failed or choice.internal):
        return True
    verdicts = {c.verdict for c in kept.card.checks} if kept else set()
    failed = any(v.fault is Fault.STUDENT and v is not Verdict.PASSED for v in verdicts)
    return (choice.failed and failed) or (choice.internal and Verdict.INTERNAL in verdicts)


def _holds(submission: Submission, kept: Kept | None, ground: Ground) -> bool:
    """Whether the scorecard is of this submission, on this basis, behind walls that are good enough, and final."""
    return (
        kept is not None
        and kept.final
        and kept.card.submission_digest == submission.digest
        and kept.basis == ground.basis
        and kept.level >= ground.level
    )


def _finished(
    store: Store, ground: Ground, left: list[Submission], choice: Choice
) -> tuple[dict[SubmissionKey, dict[str, Judged]], frozenset[SubmissionKey]]:
    """What is finished of the submissions, by question, and which keep something of another basis."""
    keys = {_key(s) for s in left}
    found = {} if choice.force else store.finished(ground.assignment, keys, ground.level, ground.basis)
    if not choice.questions:
        return found, frozenset()
    mixed = set()
    for key, known in store.finished(ground.assignment, keys, ground.level).items():
        others = {q: judged for q, judged in known.items() if q not in choice.questions | set(found.get(key, {}))}
        found.setdefault(key, {}).update(others)
        if others:
            mixed.add(key)
    return found, frozenset(mixed)
