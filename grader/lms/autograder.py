"""An autograder that runs at a platform: reads what was handed in there, grades it, and says so in the platform's form.

Theory of operation. Results are written first with no points, then again after each question, each time at once or not
at all: whatever ends this process, what was finished is there to be seen. A deadline of our own, below the platform's,
ends the grading while there is still time to say so. Student code runs in workers whose output goes to a log and never
to ours; when the last results are written no worker is left. Hidden checks are folded before anything is written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from grader import assignment, intake, lateness
from grader.assignment import Assignment
from grader.errors import GraderError, UsageError
from grader.judge import unjudged
from grader.lateness import Rules
from grader.lms import capacity, folding, trained
from grader.lms.deadline import DeadlineReached, deadline
from grader.lms.state import State
from grader.model import Judged, Scorecard, Submission, Value
from grader.plan import Plan

KIT = "kit.json"  # lies beside the engine in every package
PLATFORM = "the platform"  # says the dates


class Kit(Value):
    """What a package carries. Paths are relative to the folder that holds `kit.json`; `points` are all there are.

    `limit` is the platform's own, in seconds; after `seconds` the grading ends by itself.
    """

    platform: str
    assignment: str
    reference: str | None
    data: str | None = None
    seconds: float
    limit: float = 600.0
    hidden: Literal["hidden", "after_due_date", "after_published", "visible"] = "after_due_date"
    points: float = 0.0


@dataclass(frozen=True)
class Task:
    """What the platform says of a submission. `due` is the date that holds for whose it is; `remarks` are for them."""

    folder: Path
    student_id: str = "student"
    name: str = ""
    late: bool | None = None
    submitted_at: datetime | None = None
    due: datetime | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Autograder:
    """One platform that runs autograders. `read` and `write` are given the root of the platform's own folders.

    `advice` is what to set there, in a sentence. Everything but the scripts lies in `folder` of the package, and that
    in `tar` if one is named. `public`: students can download the package, so nothing hidden is in it.
    """

    name: str
    title: str
    seconds: float
    read: Callable[[Path], Task]
    write: Callable[[Path, State, Kit], None]
    scripts: Callable[[Kit], Mapping[str, str]]
    advice: str = ""
    folder: str = ""
    tar: str = ""
    public: bool = False


Keep = Callable[[Judged], None]
Grade = Callable[[Plan, Assignment, Submission, Keep], Scorecard]


@dataclass
class _Run:
    """One submission while it is graded: what is known, and who is told."""

    spec: Assignment
    submission: Submission
    task: Task
    publish: Callable[[State], None]
    began: float = field(default_factory=time.monotonic)
    known: dict[str, Judged] = field(default_factory=dict)

    def keep(self, judged: Judged) -> None:
        """A question is finished."""
        self.known[judged.question.id] = judged
        self.tell("Not finished yet.")

    def tell(self, why: str, card: Scorecard | None = None) -> State:
        """Write what is known; `card` is the whole, when there is one."""
        unfinished = frozenset(() if card else (q.id for q in self.spec.questions if q.id not in self.known))
        whole = card or unjudged.scorecard(self.spec, self.submission, why, self.known)
        whole = whole.handed_in_as(self.submission)
        if capacity.small():
            whole = capacity.excused(whole)
        seconds = time.monotonic() - self.began
        state = State(folding.folded(whole), unfinished, why, seconds, tuple(self._remarks(whole)), self.spec.title)
        self.publish(state)
        return state

    def _remarks(self, card: Scorecard) -> Iterator[str]:
        """What is said above the points: of the files that came, of the platform's dates, of what those cost."""
        if self.submission.problem:
            yield f"Nothing can be graded: {self.submission.problem}"
        yield from self.submission.notes
        yield from self.task.remarks
        if card.late_percent:
            yield f"That costs {card.late_percent:g} % of the points reached."


def run(autograder: Autograder, root: Path, package: Path, grade: Grade) -> State:
    """Grade what was handed in under `root` with the package's content; the state that was written last."""
    kit = Kit.model_validate_json((package / KIT).read_bytes())
    spec = assignment.load(package / kit.assignment)
    task = autograder.read(root)
    if (small := capacity.too_small()) and _has_networks(spec):
        task = replace(task, remarks=(*task.remarks, small))
    rules = Rules(spec.late, due=task.due, due_by=PLATFORM, sent_by=PLATFORM)
    submission = lateness.assessed(_submission(task, package), rules)
    running = _Run(spec, submission, task, lambda state: autograder.write(root, state, kit))
    running.tell("The grading has begun and is not finished.")
    try:
        with deadline(kit.seconds), trained.copied(_plan(package, kit, spec), package) as plan:
            return running.tell("", grade(plan, spec, running.submission, running.keep))
    except DeadlineReached:
        return running.tell(f"The time of {kit.seconds:.0f} seconds was over before this was finished.")
    except GraderError as e:
        running.tell("The autograder could not run, at no cost to you: tell the course's staff.")
        raise UsageError(f"the autograder could not run: {e}{capacity.advice()}") from e


def ahead(package: Path, train: trained.Train) -> str:
    """Train the package's reference once for all gradings; why that is not complete, in a sentence for staff, or ""."""
    kit = Kit.model_validate_json((package / KIT).read_bytes())
    return trained.ahead(_plan(package, kit, assignment.load(package / kit.assignment)), package, train)


def _submission(task: Task, package: Path) -> Submission:
    """All files of the folder are one student's but the package's own; what cannot be taken is its problem."""
    ours = package.resolve().relative_to(task.folder.resolve()).parts if _inside(package, task.folder) else ()
    try:
        taken = intake.whole(task.folder, task.student_id, ours)
    except UsageError as e:
        why = str(e).replace(str(task.folder), "what was handed in")  # students know no folder there
        taken = Submission(task.student_id, (), why)
    known = replace(taken, name=task.name, late=task.late, submitted_at=task.submitted_at)
    return replace(known, modified_at=None)  # when the platform laid the files there


def _has_networks(spec: Assignment) -> bool:
    return any(q.network for q in spec.questions)


def _inside(package: Path, folder: Path) -> bool:
    return package.resolve().is_relative_to(folder.resolve()) and package.resolve() != folder.resolve()


def _plan(package: Path, kit: Kit, spec: Assignment) -> Plan:
    """Everything, where the package has images and the container room; else no training but of one batch, for which
    drawn images will do.
    """
    images, small = str(package / kit.data) if kit.data else None, capacity.small()
    train: bool | Literal["one_batch"] = "one_batch" if kit.reference and _has_networks(spec) else False
    if capacity.too_small():
        train = False
    elif images and not small:
        train = True
    return Plan(
        str(package / kit.assignment),
        str(package / kit.reference) if kit.reference else None,
        images,
        "cpu",
        "quick",
        1,
        None,
        train=train,
        frugal=small,
    )


def replace_file(path: Path, text: str) -> None:
    """Write a file so that a reader, or whoever kills us, finds the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.unlink(missing_ok=True)  # in a checkout a student may have put a link there
    with unfinished.open("xb") as file:
        file.write(text.encode("utf-8", "replace"))  # a student's message may hold half a character
    unfinished.replace(path)
