"""One judge in a fresh interpreter: how this machine grades where nothing warm can be forked. On every system."""

from __future__ import annotations

import contextlib
import json
import math
import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from grader import assignment, errors, forked
from grader.engines.job import Job, Message
from grader.plan import Plan
from grader.processes.interpreter import Fresh

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}


class Alone:
    """One judge in a fresh interpreter, seen from the coordinator, for one job after another. A context manager."""

    def __init__(self, plan: Plan, *, lasting: bool) -> None:
        self._plan = plan
        self._lasting = lasting

    def __enter__(self) -> Alone:
        context = multiprocessing.get_context("spawn")
        self._channel, theirs = context.Pipe()
        what = (theirs, asdict(self._plan), self._lasting)
        self._process = context.Process(target=_run_judges, args=what, daemon=False)
        self._process.start()
        theirs.close()
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()
        self._process.kill()
        self._process.join()

    def serves(self, plan: Plan) -> bool:
        """Whether it can judge by this plan."""
        return self._process.is_alive() and plan == self._plan

    def messages(self, job: Job) -> Iterator[Message]:
        """What it says of a job, to the end. Left in the middle, it is ended: it would go on saying the rest."""
        over = False
        try:
            self._channel.send((list(job.submissions), job.finished))
            while not over:
                message = json.loads(self._channel.recv_bytes())
                over = message["event"] == "done"
                yield message
        except (EOFError, OSError):
            self._process.join()
            over = True
            words = last_words(Path(self._plan.scratch) / "judge.log")
            why = f"the judge's process ended with exit code {self._process.exitcode}{words}"
            yield {"event": "lost", "text": why}
        finally:
            if not over:
                self._process.kill()
                self._process.join()


def last_words(log: Path) -> str:
    """The end of a judge's log, behind a colon; nothing where there is none."""
    with contextlib.suppress(OSError):
        words = log.read_text(errors="replace").strip()[-1500:]
        return f": {words}" if words else ""
    return ""


def _run_judges(connection: Connection, of_plan: dict[str, Any], lasting: bool) -> None:
    """The judge's process: Ctrl-C is the coordinator's, its end is ours too, and pytest's output goes to a log.

    Before it imports torch it starts the first of the interpreters in which student code runs, which does so too.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    forked.end_with_parent()
    os.environ.update(ONE_THREAD)  # before torch is imported
    plan = Plan(**of_plan)
    log = os.open(Path(plan.scratch) / "judge.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)

    def say(event: str, **values: Any) -> None:
        connection.send_bytes(json.dumps({"event": event, **values}).encode())

    with contextlib.closing(_interpreters(plan, lasting=lasting)) as workers:
        from grader.graph import uncompiled
        from grader.judge import judge  # torch comes with it

        uncompiled.leave()
        with contextlib.suppress(EOFError):  # the coordinator wants no more
            while True:
                submissions, finished = connection.recv()
                try:
                    judge.judge(plan, submissions, say, finished, workers=workers)
                except errors.GraderError as e:
                    say("error", type=type(e).__name__, text=str(e))
                say("done")


def _interpreters(plan: Plan, *, lasting: bool) -> Fresh:
    """What workers come from: one for all layers, and one for each network; more when the judge is to last."""
    folder = Path(plan.scratch) / "workers"
    folder.mkdir(exist_ok=True)
    expected = math.inf
    if not lasting:
        with contextlib.suppress(errors.GraderError):  # the judge says so
            spec = assignment.load(Path(plan.assignment))
            asked = assignment.asked(spec, plan.questions)
            expected = any(not q.network for q in asked) + sum(q.network is not None for q in asked)
    return Fresh(folder, expected)
