"""What a session of checks is given, and one submission while it is judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

from torch import Tensor

from grader.assignment import Assignment, Question
from grader.measurement import Measured
from grader.model import CheckResult, Judged, Submission
from grader.reference import Reference
from grader.student import Student

CheckKey = tuple[str, str]
"""A check's question id and its own id."""


@dataclass
class Case:
    """One submission while it is judged: what a check sees of it, the results so far, and the finished questions."""

    submission: Submission
    student: Student
    results: dict[CheckKey, CheckResult] = field(default_factory=dict)
    measured: Future[dict[str, Measured]] | None = None
    award: tuple[float, str] | None = None
    judged: dict[str, Judged] = field(default_factory=dict)
    expected: dict[str, Tensor] | None = None
    started: float = field(default_factory=time.perf_counter)


@dataclass(frozen=True)
class Work:
    """What the session is given. `measure` starts the trainings of a student; `finish` takes a judged case.

    `decided` hears of each question of which nothing is left to be checked, and puts it among the case's `judged`.
    `finished` are the questions, by student, that need not be run: they are among them from the start.
    `only` are the questions that are run; none means all. `deal` gives those of the `submissions` that are this
    session's, one by one, for other judges may have the others; without it all are.
    """

    assignment: Assignment
    reference: Reference | None
    submissions: list[Submission]
    open: Callable[[Submission], Student]
    measure: Callable[[Student], Future[dict[str, Measured]]] | None
    began: Callable[[Submission], None]
    checked: Callable[[Submission, CheckResult], None]
    decided: Callable[[Case, Question], None]
    finish: Callable[[Case], None]
    only: tuple[Question, ...] = ()
    finished: Mapping[str, Mapping[str, Judged]] = field(default_factory=dict)
    deal: Callable[[], Iterable[Submission]] | None = None
