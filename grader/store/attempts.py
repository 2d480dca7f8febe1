"""Where the best of several attempts counts: each is graded like a submission, and one of them is the student's.

Every attempt has rows of its own in the store, told apart by the digest of its content. The one that counts is written
once more, as the student's newest row, with the attempts that it was chosen from. The choice depends on the checks and
on lateness alone: points that a person gives do not change which attempt they were given for.
"""

from __future__ import annotations

from collections.abc import Sequence

from grader.model import Attempt, Scorecard, Submission
from grader.store import Kept, Store


def newest(store: Store, assignment: str, student: str) -> dict[str, Kept]:
    """The newest scorecard of each content that a student handed in, by its digest, in the order of the rows."""
    found: dict[str, Kept] = {}
    for kept in store.history(assignment, student):
        found.pop(kept.card.submission_digest, None)
        found[kept.card.submission_digest] = kept
    return found


def choose(store: Store, assignment: str, submission: Submission) -> Scorecard | None:
    """Make the best attempt that is graded the student's scorecard, in the store; None where none is graded."""
    rows = newest(store, assignment, submission.student_id)
    attempts = [a for a in submission.attempts if a.digest in rows]
    if not attempts:
        return None
    chosen = best([alone(rows[a.digest].graded).handed_in_as(a) for a in attempts])
    if next(reversed(rows.values())).graded != chosen:
        row = rows[chosen.submission_digest]
        store.add_scorecard(row.run, chosen, row.basis)
    return chosen


def final(store: Store, assignment: str, submission: Submission) -> bool:
    """Whether the harness failed in none of the attempts: another might count when it is graded again."""
    rows = newest(store, assignment, submission.student_id)
    return all(rows[a.digest].final for a in submission.attempts if a.digest in rows)


def best(cards: Sequence[Scorecard]) -> Scorecard:
    """The scorecard with the best grade after lateness, with what it was chosen from; `cards` are the oldest first.

    Of equal grades the one with more points pending counts, then the later one.
    """
    if len(cards) == 1:
        return cards[0]
    at = max(range(len(cards)), key=lambda i: (cards[i].grade, cards[i].pending_points, i))
    card = cards[at]
    others = ", ".join(f"{c.attempt}: {_said(c)}" for i, c in enumerate(cards) if i != at)
    which = f"{card.attempt} counts, having the best grade, {_said(card)}"
    note = f"{len(cards)} attempts were graded: {which}; the others: {others}."
    every = tuple(Attempt(name=c.attempt, submission_digest=c.submission_digest, summary=c.summary) for c in cards)
    return card.model_copy(update={"notes": (note, *card.notes), "attempts": every})


def alone(card: Scorecard) -> Scorecard:
    """The scorecard of an attempt by itself, as it was before it was chosen."""
    return card.model_copy(update={"notes": card.notes[1:], "attempts": ()}) if card.attempts else card


def _said(card: Scorecard) -> str:
    pending = f" ({card.pending_points:g} pending)" if card.pending_points else ""
    return f"{card.grade:g}{pending}"
