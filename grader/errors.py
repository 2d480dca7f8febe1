"""The exceptions: faults of the harness, the instructor or the machine. A student's outcome is a Verdict.

GraderError
|- UsageError           the command cannot do what was asked: a wrong path, name, option or input file     exit 2
|- AssignmentError      assignment.toml, a check or the reference is wrong                                 exit 2
|- DataError            the data set is missing, corrupt or of another shape                               exit 2
|- StoreError           the store of grades cannot be read or written, or another process is writing it     exit 2
|- SandboxUnavailable   the isolation that was required cannot be built on this machine                    exit 2
`- WorkerLost           the zygote or its channel failed, by no fault of the submission                    INTERNAL
"""

from __future__ import annotations


class GraderError(Exception):
    """Any expected failure: one sentence that says what was found, what was wanted and what to do."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the sentence. Where it was raised helps nobody there."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(GraderError):
    """What the command was given cannot be used."""


class AssignmentError(GraderError):
    """The assignment or its reference is not as it must be; the instructor mends it."""


class DataError(GraderError):
    """The data set cannot be used."""


class StoreError(GraderError):
    """The store of grades cannot be used: the disk, its rights, another process, or a version that is not known."""


class SandboxUnavailable(GraderError):
    """The required isolation level cannot be reached here."""


class WorkerLost(GraderError):
    """Our own side of the sandbox failed; the submission is regraded and loses nothing."""
