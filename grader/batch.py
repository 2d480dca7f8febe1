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
from typing import Any, Literal

from grader import errors
from grader.assignment import Assignment
from grader.model import (
    CheckResult,
    Environment,
    Isolation,
    QuestionResult,
    Scorecard,
    Submission,
    Verdict,
)

Device = Literal["auto", "cpu", "cuda"]
Speed = Literal["quick", "full"]


@dataclass(frozen=True)
class Plan:
    """How to grade. Paths are absolute strings, so that the plan can cross to the judge; `fresh`: no zygote.

    `train` False leaves out what needs training; `cache` holds what was trained before.
    """

    assignment: str
    reference: str | None
    data: str | None
    device: Device
    speed: Speed
    jobs: int
    cache: str | None
    scratch: str = ""
    fresh: bool = False
    train: bool = True


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

    When the judge dies, the submissions it had begun are tried once more, one at a time; one that kills it again gets
    INTERNAL everywhere, which costs no points.
    """
    with tempfile.TemporaryDirectory(prefix="torchgrader-", ignore_cleanup_errors=True) as scratch:
        plan = replace(plan, scratch=scratch)
        left = {s.student_id: s for s in submissions}

        def done(scorecard: Scorecard) -> None:
            del left[scorecard.student_id]
            take(scorecard)

        try:
            _judge(plan, list(left.values()), watch, done)
        except JudgeLost:
            for submission in list(left.values()):
                try:
                    _judge(plan, [submission], watch, done)
                except JudgeLost as e:
                    done(internal(assignment, submission, str(e)))


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


def internal(assignment: Assignment, submission: Submission, why: str) -> Scorecard:
    """The scorecard of a submission that could not be judged: INTERNAL everywhere, no points lost."""

    def result(check: str, points: float, visibility: Any) -> CheckResult:
        return CheckResult(
            id=check,
            title=check,
            visibility=visibility,
            verdict=Verdict.INTERNAL,
            points=0.0,
            max_points=points,
            message=f"The harness failed here, at no cost to you: {why}",
        )

    questions = tuple(
        QuestionResult(
            id=q.id, title=q.title, checks=tuple(result(c, s.points, s.visibility) for c, s in q.checks.items())
        )
        for q in assignment.questions
    )
    unknown = dict.fromkeys(("torch", "torchvision", "numpy", "platform", "device", "recipe"), "unknown")
    return Scorecard(
        student_id=submission.student_id,
        assignment=assignment.id,
        submission_digest=submission.digest,
        questions=questions,
        isolation=Isolation(level=0, name="none", verified=False, reason="not judged"),
        environment=Environment(
            grader="unknown",
            python="unknown",
            seed=0,
            data_name="unknown",
            data_digest="",
            stand_in=False,
            assignment_digest=assignment.digest,
            **unknown,
        ),
        notes=(why,),
    )
