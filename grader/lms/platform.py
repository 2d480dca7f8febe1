"""The shape of a platform: what each module of this package provides, and the values that pass through it.

A platform gives submissions (an export that an instructor downloads) and takes grades (a sheet that the instructor
exports there, filled here and imported again). What a platform cannot do is None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from grader.intake import Entry
from grader.lms.sheet import Filled, Sheet
from grader.model import Gradebook


@dataclass(frozen=True)
class Export:
    """What was downloaded, opened. `root` is the name of the folder or zip that directly holds `entries`.

    With `every_attempt` the earlier attempts are wanted, each in a folder "attempt 1" of the submission's.
    """

    path: Path
    root: str
    entries: tuple[Entry, ...]
    every_attempt: bool = False

    @property
    def folders(self) -> list[str]:
        """The names of the folders in it, each once, in order."""
        return list(dict.fromkeys(e.path[0] for e in self.entries if len(e.path) > 1))

    @property
    def files(self) -> list[Entry]:
        """The files directly in it."""
        return [e for e in self.entries if len(e.path) == 1]

    def file(self, name: str) -> Entry | None:
        """The file of this name directly in it."""
        return next((e for e in self.files if e.name == name), None)


@dataclass
class Handed:
    """One submission as the platform names it, not yet read. `student_id` need not be safe as a file name.

    `earlier` are files of attempts that do not count: the student's, and not read.
    """

    student_id: str
    name: str = ""
    members: tuple[str, ...] = ()
    platform_id: str = ""
    submitted_at: datetime | None = None
    late: bool | None = None
    notes: tuple[str, ...] = ()
    entries: list[Entry] = field(default_factory=list)
    earlier: list[Entry] = field(default_factory=list)


@dataclass(frozen=True)
class Choices:
    """How to fill a sheet: which column (its heading, or the assignment's number), and whether pending points count."""

    column: str | None = None
    include_pending: bool = False


Fill = Callable[[Sheet, Gradebook, Choices], Filled]
Make = Callable[[Gradebook, Choices], Filled]


@dataclass(frozen=True)
class Platform:
    """One learning-management system or autograder.

    `recognise` says why an export is this one's, or nothing. `fill` puts points into a sheet that the platform has
    exported; `make` writes a table in the platform's own form, where there is no sheet to fill. `own` names the files
    of an export that are the platform's and no student's.
    """

    name: str
    title: str
    recognise: Callable[[Export], str]
    handed_in: Callable[[Export], Iterable[Handed]]
    fill: Fill | None = None
    make: Make | None = None
    own: tuple[str, ...] = ()
