"""The engine of one machine: its judges run in processes of their own that may die without losing a result.

On Linux as many judges as there are jobs come from a bench and share the submissions out among themselves. Elsewhere,
where nothing warm can be forked, and where the plan wants it so, there is one judge, in a fresh interpreter.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path

from grader.engines import order
from grader.engines.alone import ONE_THREAD, Alone, last_words
from grader.engines.job import Job, Message
from grader.model import Submission
from grader.plan import Plan

LINUX = sys.platform.startswith("linux")
ENDING_SECONDS = 10.0


class Local:
    """The judges of a class share the machine's zygote, its trainer and its processors."""

    def shares(self, submissions: Sequence[Submission]) -> list[list[Submission]]:
        """One share: the judges part it among themselves as they go."""
        return [list(submissions)]

    def run(self, jobs: Sequence[Job]) -> Generator[tuple[str, Message], None, None]:
        """One job after the other."""
        with Kept(lasting=False) as kept:
            yield from kept.run(jobs)


class Kept(Local):
    """As `Local`, and what is warm stays so from run to run, until its block ends. All have one scratch folder.

    Unless it is `lasting` nothing gets warm for a run that may follow.
    """

    def __init__(self, *, lasting: bool = True) -> None:
        self._lasting = lasting

    def __enter__(self) -> Kept:
        self._stack = contextlib.ExitStack()
        self._warm: _Bench | Alone | None = None
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, jobs: Sequence[Job]) -> Generator[tuple[str, Message], None, None]:
        """One job after the other."""
        for job in jobs:
            for message in self._alive(job.plan).messages(job):
                yield job.key, message

    def _alive(self, plan: Plan) -> _Bench | Alone:
        """Where judges come from, started anew when there is nothing for this plan or it has died."""
        if self._warm is None or not self._warm.serves(plan):
            self._stack.close()
            forks = LINUX and not plan.fresh
            warm: _Bench | Alone = _Bench(plan) if forks else Alone(plan, lasting=self._lasting)
            self._stack.enter_context(warm)
            self._warm = warm
        return self._warm


class _Bench:
    """The bench, seen from the coordinator. A context manager: what comes from it ends with its block."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._log = Path(plan.scratch) / "judge.log"
        self._warm = False
        self._numbers = itertools.count()
        self._ended: dict[int, int] = {}

    def __enter__(self) -> _Bench:
        self._control, theirs = socket.socketpair()
        root = str(Path(__file__).resolve().parents[2])
        paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        with theirs, self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", f"from grader.engines import bench; bench.main({theirs.fileno()})"],
                pass_fds=[theirs.fileno()],
                env={**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(paths)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._said = self._control.makefile("rb")
        return self

    def __exit__(self, *_: object) -> None:
        """While it gets warm it does not listen, and has started nothing that would not end with it."""
        self._said.close()
        self._control.close()
        if not self._warm:
            self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(ENDING_SECONDS)
        self._process.kill()
        self._process.wait()

    def serves(self, plan: Plan) -> bool:
        """Whether judges by this plan can come from it."""
        return self._process.poll() is None and plan == self._plan

    def messages(self, job: Job) -> Iterator[Message]:
        """What the judges of a job say, to the end of the last one."""
        numbers = self._ordered(job)
        lost: list[str] = []
        is_ready = False
        try:
            while numbers:
                for channel in wait(list(numbers)):
                    assert isinstance(channel, Connection)  # noqa: S101  # nothing else is waited for
                    try:
                        message = json.loads(channel.recv_bytes())
                        self._warm = True
                    except (EOFError, OSError):
                        lost.append(self._end_of(numbers.pop(channel)))
                        channel.close()
                        continue
                    if message["event"] == "done":
                        del numbers[channel]
                        channel.close()
                    elif message["event"] != "ready" or not is_ready:
                        is_ready = is_ready or message["event"] == "ready"
                        yield message
        finally:
            for channel in numbers:
                channel.close()
        yield {"event": "lost", "text": f"{lost[0]}{last_words(self._log)}"} if lost else {"event": "done"}

    def _ordered(self, job: Job) -> dict[Connection, int]:
        """Order the judges of a job; their channels, with their numbers."""
        count = max(1, min(job.plan.jobs, len(job.submissions), order.MOST_JUDGES))
        pipes = [multiprocessing.Pipe(duplex=False) for _ in range(count)]
        numbers = tuple(next(self._numbers) for _ in pipes)
        ordered = order.Order(job.plan, job.submissions, job.finished, numbers)
        with tempfile.TemporaryFile() as deck:
            deck.write(b"".join(n.to_bytes(order.CARD_BYTES) for n in range(len(job.submissions))))
            deck.seek(0)
            with contextlib.suppress(OSError):  # of a bench that is gone the channels tell
                order.send(self._control, ordered, [deck.fileno(), *(theirs.fileno() for _, theirs in pipes)])
        for _, theirs in pipes:
            theirs.close()
        return {ours: number for number, (ours, _) in zip(numbers, pipes, strict=True)}

    def _end_of(self, judge: int) -> str:
        """How a judge ended, by what the bench says; it tells of others' ends as they come."""
        while judge not in self._ended and (line := self._said.readline()):
            said = json.loads(line)
            self._ended[said["judge"]] = said["code"]
        if judge in self._ended:
            return f"the judge's process ended with exit code {self._ended[judge]}"
        return f"the process that judges come from ended with exit code {self._process.wait()}"
