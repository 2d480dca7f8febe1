"""Where a class's submissions come from and when they are due: as a command was told, and as it is remembered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from grader import intake, lateness
from grader.assignment import Assignment
from grader.commands.shared import complain, out
from grader.errors import UsageError
from grader.lateness import Policy, Rules, dates
from grader.lms import incoming
from grader.model import Submission

MOST_NAMED = 20
DueOption = Annotated[
    str | None, typer.Option("--due", metavar="TIME", help="When it is due, instead of assignment.toml's date.")
]
ExtensionsOption = Annotated[
    Path | None, typer.Option("--extensions", help="A CSV: student, and due or hours (after everybody's date).")
]
TimesOption = Annotated[
    Path | None, typer.Option("--times", help="A CSV: student, submitted_at; where the export has no times.")
]
FileTimesOption = Annotated[
    bool, typer.Option("--file-times", help="Where nothing else tells when it was handed in: the file's own time.")
]


@dataclass(frozen=True)
class Dates:
    """What a command was told of dates."""

    due: str | None = None
    extensions: Path | None = None
    times: Path | None = None
    file_times: bool = False


@dataclass(frozen=True)
class Whence:
    """A path, whose export it is, the class list, and the dates; None for what was not given."""

    path: str
    platform: str | None = None
    people: str | None = None
    due: str | None = None
    extensions: str | None = None
    times: str | None = None
    file_times: str | None = None

    @property
    def remembered(self) -> dict[str, str | None]:
        """In words that stay right elsewhere, for the next time."""
        return asdict(self)


def given(path: Path, platform: str | None, people: Path | None, told: Dates) -> Whence:
    """As the options of a command say."""
    file_times = "yes" if told.file_times else None
    where = (_absolute(people), told.due, _absolute(told.extensions), _absolute(told.times), file_times)
    return Whence(str(path.resolve()), platform, *where)


def again(origin: Mapping[str, str | None], path: Path | None) -> Whence:
    """As remembered, at a path of now if one is given. Raises UsageError when none is known."""
    known = {key: origin.get(key) for key in Whence.__dataclass_fields__ if key != "path"}
    found = str(path.resolve()) if path else origin.get("path")
    if not found:
        raise UsageError("it is not remembered where these submissions came from: give their path.")
    if not (path or Path(found).exists()):
        raise UsageError(f"the submissions of the last run, {found}, are gone: say where they are, `regrade PATH`.")
    return Whence(found, **known)


def collect(whence: Whence, spec: Assignment, *, quiet: bool = False) -> list[Submission]:
    """The submissions with their lateness; says whose export it is, and which files are nobody's."""
    rules = _rules(whence, spec.late)
    path = Path(whence.path)
    if rules.files and path.suffix.lower() == ".zip":
        raise UsageError("times in a zip have no zone: list them with --times, or unpack it where they were made.")
    people = Path(whence.people) if whence.people else None
    taken = incoming.take(path, whence.platform, people, every_attempt=spec.attempts == "best")
    found = [lateness.assessed(s, rules) for s in taken.submissions]
    if (taken.platform.name != "plain" or path.suffix.lower() == ".zip") and not quiet:
        late = sum(bool(s.late) for s in found)
        count = f"{len(found)} submission{'s' * (len(found) != 1)}" + (f", {late} late" if late else "")
        out.print(f"{path.name}: {taken.platform.title} ({taken.reason}); {count}", soft_wrap=True)
    if taken.skipped:
        complain(f"no student's, and not read: {intake.listed(taken.skipped, MOST_NAMED)}")
    if taken.unlisted:
        complain(f"not on the class list: {', '.join(taken.unlisted)}")
    for remark in dates.remarks(found, rules):
        complain(remark)
    return found


def _rules(whence: Whence, policy: Policy) -> Rules:
    return Rules(
        policy,
        due=dates.parse(whence.due, "--due") if whence.due else None,
        extensions=dates.extensions(Path(whence.extensions)) if whence.extensions else {},
        times=dates.times(Path(whence.times)) if whence.times else {},
        files=bool(whence.file_times),
    )


def _absolute(path: Path | None) -> str | None:
    return str(path.resolve()) if path else None
