"""An export of a platform -> Submissions. What is opened and read is intake's affair; here is only whose it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from grader import intake
from grader.errors import UsageError
from grader.intake import Entry, Kind
from grader.lms import PLATFORMS, roster
from grader.lms.platform import Export, Handed, Platform
from grader.model import Submission

WRAPPERS = 4  # folders around an export that are looked through: a zip of a folder of a folder
MOST_ATTEMPTS = 20  # of one student, where the best counts: more would hold up the class
NOTHING = Entry(("(nothing)",), Kind.SPECIAL, 0, bytes)  # stands for a submission without a file


@dataclass(frozen=True)
class Taken:
    """The submissions, where they are from and why that is thought, and what is nobody's."""

    submissions: tuple[Submission, ...]
    platform: Platform
    reason: str
    skipped: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()


def take(path: Path, platform: str | None = None, people: Path | None = None, *, every_attempt: bool = False) -> Taken:
    """The submissions of an export. `platform` says whose it is, else that is found out. Raises `UsageError`.

    Of several attempts at one submission the last is taken; with `every_attempt` the earlier ones come with it.
    """
    if platform is not None and platform not in PLATFORMS:
        raise UsageError(f"there is no platform {platform!r}: wanted one of {', '.join(PLATFORMS)}.")
    sharing = _Sharing(path, platform, every_attempt=every_attempt)
    caps = replace(intake.CAPS, attempts=MOST_ATTEMPTS) if every_attempt else intake.CAPS
    taken = intake.take(path, caps, sharing)
    told = tuple(_told(s, sharing) for s in taken.submissions)
    unlisted: list[str] = []
    if people:
        named, unlisted = roster.name_all(told, roster.read(people))
        told = tuple(replace(s, student_id=intake.safe(s.student_id)) for s in named)
        _refuse_doubles(told)
    return Taken(
        tuple(sorted(told, key=lambda s: s.student_id)),
        sharing.platform,
        sharing.reason,
        taken.skipped,
        tuple(unlisted),
    )


def _told(submission: Submission, sharing: _Sharing) -> Submission:
    """The submission with what the platform knows of it."""
    handed = sharing.handed.get(submission.student_id)
    if handed is None:
        return replace(submission, platform=sharing.platform.name)
    return replace(
        submission,
        name=handed.name,
        notes=(*handed.notes, *submission.notes),
        members=handed.members,
        platform=sharing.platform.name,
        platform_id=handed.platform_id,
        submitted_at=handed.submitted_at,
        late=handed.late,
    )


def _refuse_doubles(submissions: Sequence[Submission]) -> None:
    seen: dict[str, str] = {}
    for s in submissions:
        key = s.student_id.casefold()
        if key in seen:
            raise UsageError(
                f"the class list gives {s.student_id} to two submissions ({seen[key]} and {s.platform_id or s.name}): "
                f"correct the list, or take one of them out."
            )
        seen[key] = s.platform_id or s.name


class _Sharing:
    """Says whose is what: `intake.take` calls it with everything that the input holds."""

    def __init__(self, path: Path, wanted: str | None, *, every_attempt: bool) -> None:
        self._path = path
        self._every_attempt = every_attempt
        self._wanted = PLATFORMS[wanted] if wanted else None
        self.platform = self._wanted or PLATFORMS["plain"]
        self.reason = "as asked for" if wanted else "a single file"
        self.handed: dict[str, Handed] = {}

    def __call__(self, entries: Sequence[Entry], root: str) -> tuple[intake.Groups, tuple[str, ...]]:
        levels = list(_levels(Export(self._path, root, tuple(entries), self._every_attempt)))
        self.platform, export, self.reason = self._chosen(levels)
        if self.platform.name == "plain":
            return intake.by_place(entries, root)
        groups: intake.Groups = {}
        for handed in self.platform.handed_in(export):
            if handed.student_id in groups:
                raise UsageError(
                    f"two submissions have the id {intake.shown(handed.student_id)}: take one of them out."
                )
            self.handed[intake.safe(handed.student_id)] = handed
            groups[handed.student_id] = handed.entries or [NOTHING]
        if not groups:
            raise UsageError(
                f"{self._path.name} holds nothing that is named as {self.platform.title} names it: "
                f"leave --from out, or give another."
            )
        theirs = [e for h in self.handed.values() for e in (*h.entries, *h.earlier)]
        return groups, tuple(name for name in _nobodys(export, theirs) if name not in self.platform.own)

    def _chosen(self, levels: list[Export]) -> tuple[Platform, Export, str]:
        """The platform that recognises the export, at whichever depth it does."""
        for platform in [self._wanted] if self._wanted else PLATFORMS.values():
            for export in levels:
                if platform.name != "plain" and (reason := platform.recognise(export)):
                    return platform, export, "as asked for" if self._wanted else reason
        chosen = self._wanted or PLATFORMS["plain"]
        return chosen, levels[-1], "as asked for" if self._wanted else chosen.recognise(levels[0])


def _levels(export: Export) -> Iterator[Export]:
    """The export, and what is in it as long as that is nothing but one folder."""
    for _ in range(WRAPPERS):
        yield export
        if export.files or len(export.folders) != 1:
            return
        inside = tuple(e.below(1) for e in export.entries)
        export = replace(export, root=export.folders[0], entries=inside)


def _nobodys(export: Export, theirs: Sequence[Entry]) -> tuple[str, ...]:
    """What lies directly in the export and is no student's."""
    reads = {id(e.read) for e in theirs}
    tops: dict[str, bool] = {}
    for entry in export.entries:
        tops[entry.path[0]] = tops.get(entry.path[0], False) or id(entry.read) in reads
    return tuple(intake.shown(name) for name, someones in tops.items() if not someones)
