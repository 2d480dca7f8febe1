"""Whose scorecard is meant: a student by the own id, a group by any member's; and who else may have been meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from grader.errors import UsageError
from grader.store import Kept, Store

MOST_NEAR = 5


def meant(store: Store, assignment: str, student: str, *, withdrawn: bool = False) -> Kept:
    """The current scorecard of a student or of the one group that the student is in. Raises `UsageError`.

    With `withdrawn`, it may be one that was taken out of the gradebook.
    """
    everybody = store.current(assignment, withdrawn=withdrawn)
    own = [k for k in everybody if k.card.student_id == student]
    found = own or [k for k in everybody if student in k.card.members]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(k.card.student_id for k in found)
        raise UsageError(f"{student} is in {len(found)} submissions: give the id of one of them, {ids}.")
    _refuse_withdrawn(store, assignment, student)
    people = ((i, k.card.name) for k in everybody for i in dict.fromkeys((k.card.student_id, *k.card.members)))
    hint = asked(near(student, people)) or " `grader runs` lists what was graded."
    raise UsageError(f"{store.folder} has no scorecard of {student!r}.{hint}")


def _refuse_withdrawn(store: Store, assignment: str, student: str) -> None:
    if taken_out := store.withdrawn(assignment).get(student):
        raise UsageError(
            f"{student} was taken out of the gradebook by {taken_out.who} on {taken_out.at[:10]} ({taken_out.why}): "
            f"`grader withdraw {student} --back` puts it back."
        )


def near(wanted: str, people: Iterable[tuple[str, str]]) -> list[str]:
    """Ids of those who may have been meant, of (id, name): spelt alike first, then with these letters in either."""
    known, letters = dict(people), wanted.casefold()
    folded = {i.casefold(): i for i in known}
    alike = [folded[i] for i in difflib.get_close_matches(letters, folded, MOST_NEAR)]
    holding = [i for i, name in known.items() if letters and letters in f"{i} {name}".casefold()]
    return list(dict.fromkeys([*alike, *holding]))[:MOST_NEAR]


def asked(ids: list[str]) -> str:
    """A question that goes behind a sentence; "" without ids."""
    return f" Do you mean {', '.join(ids)}?" if ids else ""
