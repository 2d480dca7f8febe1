"""Submissions -> Gradebook. The coordinator: shares out a class, follows what judges say, and alone writes results.

No torch here: a command answers at once, and a judge, which needs it, is a process of its own, here or on another
machine, that may die without taking a finished result along. Messages are JSON.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from grader import errors
from grader.assignment import Assignment
from grader.engines.job import ENDS, Engine, Finished, Job, Message
from grader.engines.local import Local
from grader.judge import unjudged
from grader.model import Judged, Scorecard, Submission, Verdict
from grader.plan import Plan
from grader.scratch import Scratch

MOST_GONE = 3  # machines that a submission may lose before it is taken to be what ends them


@dataclass(frozen=True)
class Event:
    """Something happened: `kind` is "ready", "began", "checked", "judged" (a question), "finished", "note"."""

    kind: str
    student_id: str = ""
    text: str = ""
    verdict: Verdict | None = None


Watch = Callable[[Event], None]
Take = Callable[[Scorecard], None]


@dataclass(frozen=True)
class Journal:
    """What was finished before, by student and question, and who keeps what is finished now, the moment it is."""

    finished: Finished = field(default_factory=dict)
    keep: Callable[[Submission, Judged], None] = lambda _submission, _judged: None


@dataclass
class _Share:
    """What one judge had: whom it began, and the message that ended it."""

    submissions: Sequence[Submission]
    begun: list[str] = field(default_factory=list)
    end: Message = field(default_factory=dict)

    @property
    def gone(self) -> bool:
        """Whether its machine was lost, which no submission is to blame for."""
        return self.end.get("event") == "gone"

    @property
    def why(self) -> str:
        """Why it left somebody without a scorecard."""
        return str(self.end.get("text") or "the judge ended without a result")


def grade(
    plan: Plan,
    assignment: Assignment,
    submissions: list[Submission],
    watch: Watch,
    take: Take,
    journal: Journal | None = None,
    engine: Engine | None = None,
) -> None:
    """Grade all; `take` gets each scorecard the moment it is complete, the journal each question.

    When a judge dies, the submissions that it had begun are tried once more, one at a time; one that kills it again
    gets INTERNAL in what is not finished, which costs no points. The others go on with a new judge. When a machine is
    lost, what it had not finished is shared out again. Without an engine, judges run on this machine, and what they
    come from stays warm until all are graded.
    """
    with _scratch(plan) as there, _working(engine) as engine_:
        _Class(there, assignment, submissions, watch, take, journal or Journal(), engine_).grade()


@contextlib.contextmanager
def _scratch(plan: Plan) -> Iterator[Plan]:
    """The plan with a temporary folder, its own or one that goes when its block ends."""
    if plan.scratch:
        yield plan
        return
    with Scratch("run") as folder:
        yield replace(plan, scratch=str(folder))


@contextlib.contextmanager
def _working(engine: Engine | None) -> Iterator[Engine]:
    """The engine, or one of this machine alone that ends with its block: before the scratch folder goes."""
    if engine:
        yield engine
        return
    with Local() as here:
        yield here


class _Class:
    """The submissions of a run: which are left, and what of them is finished."""

    def __init__(
        self,
        plan: Plan,
        assignment: Assignment,
        submissions: list[Submission],
        watch: Watch,
        take: Take,
        journal: Journal,
        engine: Engine,
    ) -> None:
        self._plan = plan
        self._assignment = assignment
        self._left = {s.student_id: s for s in submissions}
        self._watch = watch
        self._take = take
        self._journal = journal
        self._engine = engine
        self._machines_lost: Counter[str] = Counter()
        self._finished = {student: dict(known) for student, known in journal.finished.items()}

    def grade(self) -> None:
        """Until nobody is left."""
        while self._left:
            shares = self._attempt(self._engine.shares(list(self._left.values())))
            for share in (s for s in shares if not s.gone and not s.begun):  # its judge does not even start
                self._give_up(share)
            suspects = [i for s in shares if not s.gone for i in s.begun if i in self._left]
            for share in self._attempt([[self._left[i]] for i in suspects]):
                if not share.gone:
                    self._give_up(share)

    def _give_up(self, share: _Share) -> None:
        """Whoever of a share is left gets INTERNAL in what is not finished."""
        for submission in [s for s in share.submissions if s.student_id in self._left]:
            known = self._finished.get(submission.student_id, {})
            self._done(unjudged.scorecard(self._assignment, submission, share.why, known))

    def _done(self, scorecard: Scorecard) -> None:
        submission = self._left.pop(scorecard.student_id)
        self._finished.pop(scorecard.student_id, None)
        self._take(scorecard.handed_in_as(submission))

    def _attempt(self, parts: list[list[Submission]]) -> list[_Share]:
        """One judge for each part; what became of each."""
        shares = {str(number): _Share(part) for number, part in enumerate(parts)}
        with contextlib.closing(self._engine.run([self._job(key, s.submissions) for key, s in shares.items()])) as said:
            for key, message in said:
                if message["event"] in ENDS:
                    self._ended(shares[key], message)
                    continue
                if message["event"] == "began":
                    shares[key].begun.append(message["student_id"])
                self._follow(message)
        return list(shares.values())

    def _job(self, key: str, submissions: Sequence[Submission]) -> Job:
        known = {s.student_id: self._finished[s.student_id] for s in submissions if s.student_id in self._finished}
        return Job(key, self._plan, tuple(submissions), known)

    def _ended(self, share: _Share, end: Message) -> None:
        share.end = end
        left = [s.student_id for s in share.submissions if s.student_id in self._left]
        if not share.gone or not left:
            return
        self._machines_lost.update(left)
        if max(self._machines_lost[i] for i in left) >= MOST_GONE:
            self._give_up(share)
            return
        self._watch(Event("note", text=f"{share.why}; {len(left)} of its submissions are graded again elsewhere"))

    def _follow(self, message: Message) -> None:
        """Keep what is said, then tell of it. Raises the exception of errors.py that ended the judge."""
        student = message.get("student_id", "")
        match message["event"]:
            case "finished":
                scorecard = Scorecard.model_validate_json(message["scorecard"])
                self._done(scorecard)
                self._watch(Event("finished", scorecard.student_id, scorecard.summary))
            case "judged":
                judged = Judged.model_validate_json(message["judged"])
                self._journal.keep(self._left[student], judged)
                if judged.final:
                    self._finished.setdefault(student, {})[judged.question.id] = judged
                self._watch(Event("judged", student, judged.question.id))
            case "error":
                raise getattr(errors, message["type"], errors.GraderError)(message["text"])
            case kind:
                verdict = Verdict(message["verdict"]) if message.get("verdict") else None
                self._watch(Event(kind, student, message.get("text", ""), verdict))
