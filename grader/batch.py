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
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from grader import errors, unjudged
from grader.assignment import Assignment
from grader.model import (
    Scorecard,
    Submission,
    Verdict,
)
from grader.plan import Plan


@dataclass(frozen=True)
class Event:
    """Something happened: `kind` is "ready", "began", "checked", "finished", "note"."""

    kind: str
    student_id: str = ""
    text: str = ""
    verdict: Verdict | None = None


Watch = Callable[[Event], None]
Take = Callable[[Scorecard], None]


class JudgeLost(Exception):
    """The judge's process died."""


def grade(plan: Plan, assignment: Assignment, submissions: list[Submission], watch: Watch, take: Take) -> None:
    """Grade all; `take` gets each scorecard the moment it is complete.

    When the judge dies, the submissions that it had begun are tried once more, one at a time; one that kills it again
    gets INTERNAL everywhere, which costs no points. The others go on with a new judge.
    """
    left = {s.student_id: s for s in submissions}

    def done(scorecard: Scorecard) -> None:
        take(scorecard.handed_in_as(left.pop(scorecard.student_id)))

    with tempfile.TemporaryDirectory(prefix="torchgrader-", ignore_cleanup_errors=True) as scratch:
        plan = replace(plan, scratch=scratch)
        while left:
            begun, why = _attempt(plan, list(left.values()), watch, done)
            for submission in [left[i] for i in begun if i in left]:
                _, why = _attempt(plan, [submission], watch, done)
                if submission.student_id in left:
                    done(unjudged.scorecard(assignment, submission, why))
            if not begun:  # it does not even start
                for submission in list(left.values()):
                    done(unjudged.scorecard(assignment, submission, why))


def _attempt(plan: Plan, submissions: list[Submission], watch: Watch, done: Take) -> tuple[list[str], str]:
    """One judge process; the ids that it began, and how it ended if it died."""
    begun: list[str] = []

    def follow(event: Event) -> None:
        if event.kind == "began":
            begun.append(event.student_id)
        watch(event)

    try:
        _judge(plan, submissions, follow, done)
    except JudgeLost as e:
        return begun, str(e)
    return begun, "the judge ended without a result"


def _judge(plan: Plan, submissions: list[Submission], watch: Watch, done: Take) -> None:
    """One judge process over some submissions. Raises JudgeLost, and the exception of errors.py that ended it."""
    for message in _messages(plan, submissions):
        match message["event"]:
            case "finished":
                scorecard = Scorecard.from_json(json.dumps(message["scorecard"]))
                done(scorecard)
                watch(Event("finished", scorecard.student_id, scorecard.summary))
            case "error":
                raise getattr(errors, message["type"], errors.GraderError)(message["text"])
            case kind:
                verdict = Verdict(message["verdict"]) if message.get("verdict") else None
                watch(Event(kind, message.get("student_id", ""), message.get("text", ""), verdict))


def _messages(plan: Plan, submissions: list[Submission]) -> Iterator[dict[str, Any]]:
    """What the judge says, until it is done."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run_judge, args=(theirs, asdict(plan), submissions), daemon=False)
    process.start()
    theirs.close()
    finished = False
    try:
        while not finished:
            message = json.loads(ours.recv_bytes())
            finished = message["event"] == "done"
            if not finished:
                yield message
    except EOFError:
        process.join()
        raise JudgeLost(f"the judge's process ended with exit code {process.exitcode}{_last_words(plan)}") from None
    finally:
        if not finished:
            process.kill()
        process.join()
        ours.close()


def _last_words(plan: Plan) -> str:
    with contextlib.suppress(OSError):
        words = (Path(plan.scratch) / "judge.log").read_text(errors="replace").strip()[-1500:]
        return f": {words}" if words else ""
    return ""


def _run_judge(connection: Connection, plan: dict[str, Any], submissions: list[Submission]) -> None:
    """The judge's process: Ctrl-C is the coordinator's, and pytest's output goes to a log."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name, value in {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}.items():
        os.environ[name] = value  # before torch is imported
    log = os.open(Path(plan["scratch"]) / "judge.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    from grader import judge  # torch comes with it

    def say(event: str, **values: Any) -> None:
        connection.send_bytes(json.dumps({"event": event, **values}).encode())

    try:
        judge.judge(Plan(**plan), submissions, say)
    except errors.GraderError as e:
        say("error", type=type(e).__name__, text=str(e))
    say("done")
