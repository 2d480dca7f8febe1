"""The engine of one machine: one judge at a time, in a process of its own that may die without losing a result."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from grader import errors
from grader.engines.job import Finished, Job, Message
from grader.model import Submission
from grader.plan import Plan


class Local:
    """One judge has the whole class; its zygote and its trainer use the machine's processors."""

    def shares(self, submissions: Sequence[Submission]) -> list[list[Submission]]:
        """One share."""
        return [list(submissions)]

    def run(self, jobs: Sequence[Job]) -> Generator[tuple[str, Message], None, None]:
        """One job after the other."""
        for job in jobs:
            for message in _messages(job):
                yield job.key, message


def _messages(job: Job) -> Iterator[Message]:
    """What one judge says, to its end."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    what = (theirs, asdict(job.plan), list(job.submissions), job.finished)
    process = context.Process(target=_run_judge, args=what, daemon=False)
    process.start()
    theirs.close()
    over = False
    try:
        while not over:
            message = json.loads(ours.recv_bytes())
            over = message["event"] == "done"
            yield message
    except EOFError:
        process.join()
        over = True
        why = f"the judge's process ended with exit code {process.exitcode}{_last_words(job.plan)}"
        yield {"event": "lost", "text": why}
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
    from grader.judge import judge  # torch comes with it

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
