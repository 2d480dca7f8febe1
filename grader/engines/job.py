"""What an engine is given and what it says: jobs in, messages of judges out. No torch, no files."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from grader.model import Judged, Submission
from grader.plan import Plan

Finished = Mapping[str, Mapping[str, Judged]]
"""Finished questions, by student and question."""
Message = Mapping[str, Any]
"""One JSON object. What a judge says ("ready", "began", "checked", "judged", "finished", "note", "error"), and as the
last of a job how it ended: "done"; "lost", its judge died; "gone", its machine is no longer there. The last two have
the reason as `text`. A question and a scorecard are in it as JSON text, which is only taken apart where it is kept."""
ENDS = ("done", "lost", "gone")


@dataclass(frozen=True)
class Job:
    """A share of a class for one judge, with what is finished of it. `key` tells it from the other jobs of a run."""

    key: str
    plan: Plan
    submissions: tuple[Submission, ...]
    finished: Finished


class Engine(Protocol):
    """Where judges run."""

    def shares(self, submissions: Sequence[Submission]) -> list[list[Submission]]:
        """Part a class into what each judge is to have."""
        ...

    def run(self, jobs: Sequence[Job]) -> Generator[tuple[str, Message], None, None]:
        """What the judges say, each message with its job's key; every job ends with one of ENDS.

        Closing the iterator stops every judge that still runs.
        """
        ...
