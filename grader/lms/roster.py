"""A class list: a CSV with ids and names -> names for the submissions, and the course's own id for a platform's."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from grader.errors import UsageError
from grader.intake import lists
from grader.model import Submission

# Headings in lower case, without spaces, hyphens and underscores. The first that is there gives the student's id.
IDS = ("studentid", "id", "identifier", "sid", "idnumber", "sisuserid", "username", "login", "sisloginid", "email")
ALIASES = (*IDS, "emailaddress", "githubusername", "github", "userid", "canvasid")
NAMES = ("name", "fullname", "student", "displayname")


@dataclass(frozen=True)
class Person:
    """One line of the list."""

    id: str
    name: str
    aliases: frozenset[str]


def read(path: Path) -> tuple[Person, ...]:
    """The people of a CSV with a heading. Raises `UsageError` when there is none, or no column of ids."""
    text = lists.text(path, "ids and names")
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    headings = [_plain(h) for h in rows[0]] if rows else []
    if not set(headings) & set(ALIASES):
        raise UsageError(
            f"{path} has no column of ids: its first line is {first.strip()[:80]!r}; wanted one of "
            f"student_id, id, sid, username, email, github_username."
        )
    people = (_person({h: c.strip() for h, c in zip(headings, row, strict=False)}) for row in rows[1:])
    return tuple(p for p in people if p.aliases)


def _plain(heading: str) -> str:
    return "".join(c for c in heading.casefold() if c.isalnum())


def _person(row: dict[str, str]) -> Person:
    ids = [row[h] for h in IDS if row.get(h)]
    aliases = frozenset(row[h].casefold() for h in ALIASES if row.get(h))
    name = next((row[h] for h in NAMES if row.get(h)), "") or f"{row.get('firstname', '')} {row.get('lastname', '')}"
    return Person(ids[0] if ids else "", name.strip(), aliases)


def name_all(submissions: Sequence[Submission], people: Sequence[Person]) -> tuple[list[Submission], list[str]]:
    """The submissions with names and the course's ids, and the ids of those that are not on the list.

    A submission is found by its id or by its platform's, in any column of ids, whatever the case.
    """
    by_alias = {alias: p for p in people for alias in p.aliases}
    named: list[Submission] = []
    unknown: list[str] = []
    for submission in submissions:
        keys = (submission.student_id.casefold(), submission.platform_id.casefold())
        person = next((by_alias[k] for k in keys if k in by_alias), None)
        if person is None:
            unknown.append(submission.student_id)
            named.append(submission)
        else:
            named.append(
                replace(submission, student_id=person.id or submission.student_id, name=person.name or submission.name)
            )
    return named, unknown
