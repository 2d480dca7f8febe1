"""Submissions -> Gradebook. The coordinator: starts the judge, follows what it says, and alone writes results.

No torch here: a command answers at once, and the judge, which needs it, is a process of its own that may die without
taking a finished result along. Messages between the two are JSON.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from grader import errors, unjudged
from grader.assignment import Assignment
from grader.model import Judged, Scorecard, Submission, Verdict
from grader.plan import Plan

SCRATCH = "torchgrader-"  # how the names of temporary folders begin
Finished = Mapping[str, Mapping[str, Judged]]
"""Finished questions, by student and question."""


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


class JudgeLost(Exception):
    """The judge's process died."""


def grade(
    plan: Plan,
    assignment: Assignment,
    submissions: list[Submission],
    watch: Watch,
    take: Take,
    journal: Journal | None = None,
) -> None:
    """Grade all; `take` gets each scorecard the moment it is complete, the journal each question.

    When the judge dies, the submissions that it had begun are tried once more, one at a time; one that kills it again
    gets INTERNAL in what is not finished, which costs no points. The others go on with a new judge.
    """
    with _scratch(plan) as there:
        _Class(there, assignment, submissions, watch, take, journal or Journal()).grade()


@contextlib.contextmanager
def _scratch(plan: Plan) -> Iterator[Plan]:
    """The plan with a temporary folder, its own or one that goes when its block ends."""
    if plan.scratch:
        yield plan
        return
    with tempfile.TemporaryDirectory(prefix=SCRATCH, ignore_cleanup_errors=True) as folder:
        yield replace(plan, scratch=folder)


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
    ) -> None:
        self._plan = plan
        self._assignment = assignment
        self._left = {s.student_id: s for s in submissions}
        self._watch = watch
        self._take = take
        self._journal = journal
        self._finished = {student: dict(known) for student, known in journal.finished.items()}

    def grade(self) -> None:
        """Until nobody is left."""
        while self._left:
            begun, why = self._attempt(list(self._left.values()))
            for submission in [self._left[i] for i in begun if i in self._left]:
                _, why = self._attempt([submission])
                self._give_up(submission, why)
            if not begun:  # it does not even start
                for submission in list(self._left.values()):
                    self._give_up(submission, why)

    def _give_up(self, submission: Submission, why: str) -> None:
        if submission.student_id in self._left:
            known = self._finished.get(submission.student_id, {})
            self._done(unjudged.scorecard(self._assignment, submission, why, known))

    def _done(self, scorecard: Scorecard) -> None:
        submission = self._left.pop(scorecard.student_id)
        self._finished.pop(scorecard.student_id, None)
        self._take(scorecard.handed_in_as(submission))

    def _attempt(self, submissions: list[Submission]) -> tuple[list[str], str]:
        """One judge process; the ids that it began, and how it ended if it died."""
        begun: list[str] = []
        try:
            for message in _messages(self._plan, submissions, self._finished):
                if message["event"] == "began":
                    begun.append(message["student_id"])
                self._follow(message)
        except JudgeLost as e:
            return begun, str(e)
        return begun, "the judge ended without a result"

    def _follow(self, message: dict[str, Any]) -> None:
        """Keep what is said, then tell of it. Raises the exception of errors.py that ended the judge."""
        student = message.get("student_id", "")
        match message["event"]:
            case "finished":
                scorecard = Scorecard.from_json(json.dumps(message["scorecard"]))
                self._done(scorecard)
                self._watch(Event("finished", scorecard.student_id, scorecard.summary))
            case "judged":
                judged = Judged.model_validate_json(json.dumps(message["judged"]))
                self._journal.keep(self._left[student], judged)
                if judged.final:
                    self._finished.setdefault(student, {})[judged.question.id] = judged
                self._watch(Event("judged", student, judged.question.id))
            case "error":
                raise getattr(errors, message["type"], errors.GraderError)(message["text"])
            case kind:
                verdict = Verdict(message["verdict"]) if message.get("verdict") else None
                self._watch(Event(kind, student, message.get("text", ""), verdict))


def _messages(plan: Plan, submissions: list[Submission], finished: Finished) -> Iterator[dict[str, Any]]:
    """What the judge says, until it is done."""
    known = {s.student_id: finished[s.student_id] for s in submissions if s.student_id in finished}
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run_judge, args=(theirs, asdict(plan), submissions, known), daemon=False)
    process.start()
    theirs.close()
    over = False
    try:
        while not over:
            message = json.loads(ours.recv_bytes())
            over = message["event"] == "done"
            if not over:
                yield message
    except EOFError:
        process.join()
        raise JudgeLost(f"the judge's process ended with exit code {process.exitcode}{_last_words(plan)}") from None
    finally:
        if not over:
            process.kill()
        process.join()
        ours.close()


def _last_words(plan: Plan) -> str:
    with contextlib.suppress(OSError):
        words = (Path(plan.scratch) / "judge.log").read_text(errors="replace").strip()[-1500:]
        return f": {words}" if words else ""
    return ""


def _run_judge(connection: Connection, plan: dict[str, Any], submissions: list[Submission], finished: Finished) -> None:
    """The judge's process: Ctrl-C is the coordinator's, its end is ours too, and pytest's output goes to a log."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent()
    for name, value in {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}.items():
        os.environ[name] = value  # before torch is imported
    log = os.open(Path(plan["scratch"]) / "judge.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    from grader import judge  # torch comes with it

    def say(event: str, **values: Any) -> None:
        connection.send_bytes(json.dumps({"event": event, **values}).encode())

    try:
        judge.judge(Plan(**plan), submissions, say, finished)
    except errors.GraderError as e:
        say("error", type=type(e).__name__, text=str(e))
    say("done")


def _end_with_parent() -> None:
    """A judge in the middle of a training says nothing for minutes, so a thread watches for the coordinator's end."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101  # only ever run by _messages

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
