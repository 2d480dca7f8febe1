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
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import IO

from grader.engines import order
from grader.engines.alone import ONE_THREAD, Alone, last_words
from grader.engines.job import Job, Message
from grader.model import Submission
from grader.plan import Plan

LINUX = sys.platform.startswith("linux")
ENDING_SECONDS = 10.0


class Local:
    """Judges that share this machine's zygotes, trainer and processors. A context manager: they end with its block.

    What is warm stays so from run to run, as long as their plan, with its scratch folder, is the same. Unless it is
    `lasting` nothing gets warm for a run that may follow.
    """

    def __init__(self, *, lasting: bool = False) -> None:
        self._lasting = lasting

    def __enter__(self) -> Local:
        self._stack = contextlib.ExitStack()
        self._warm: _Bench | Alone | None = None
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def shares(self, submissions: Sequence[Submission]) -> list[list[Submission]]:
        """One share: the judges part it among themselves as they go."""
        return [list(submissions)]

    def run(self, jobs: Sequence[Job]) -> Generator[tuple[str, Message], None, None]:
        """One job after the other. That judges are ready is said once for all of a job."""
        for job in jobs:
            is_ready = False
            for message in self._alive(job.plan).messages(job):
                if message["event"] != "ready" or not is_ready:
                    yield job.key, message
                is_ready = is_ready or message["event"] == "ready"

    def _alive(self, plan: Plan) -> _Bench | Alone:
        """Where judges come from, started anew when there is nothing for this plan or it has died."""
        if self._warm is None or not self._warm.serves(plan):
            self._stack.close()
            forks = LINUX and not plan.fresh
            warm: _Bench | Alone = _Bench(plan) if forks else Alone(plan, lasting=self._lasting)
            self._stack.enter_context(warm)
            self._warm = warm
        return self._warm


@dataclass
class _Judge:
    """A judge that was ordered: its number at the bench, and what of its work was heard."""

    number: int
    has_begun: bool = False
    is_done: bool = False


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
        """What the judges of a job say, to the end of the last one. One that dies is replaced while there is work."""
        lost: list[str] = []
        with _dealt(job.submissions) as deck:
            judges = self._ordered(job, deck, max(1, min(job.plan.jobs, len(job.submissions), order.MOST_JUDGES)))
            try:
                while judges:
                    for channel in wait(list(judges)):
                        assert isinstance(channel, Connection)  # noqa: S101  # nothing else is waited for
                        judge = judges[channel]
                        if messages := self._heard(channel, judge):
                            yield from messages
                            continue
                        del judges[channel]
                        channel.close()
                        if not judge.is_done:
                            lost.append(self._end_of(judge.number))
                            judges |= self._ordered(job, deck, 1) if judge.has_begun and _is_left(deck) else {}
            finally:
                for channel in judges:
                    channel.close()
        yield {"event": "lost", "text": f"{lost[0]}{last_words(self._log)}"} if lost else {"event": "done"}

    def _heard(self, channel: Connection, judge: _Judge) -> list[Message]:
        """What a judge says; nothing when it has said its last."""
        try:
            messages: list[Message] = [json.loads(line) for line in channel.recv_bytes().splitlines()]
        except (EOFError, OSError):
            return []
        self._warm = True
        judge.has_begun = judge.has_begun or any(m["event"] == "began" for m in messages)
        judge.is_done = messages[-1]["event"] == "done"
        return messages[:-1] if judge.is_done else messages

    def _ordered(self, job: Job, deck: IO[bytes], count: int) -> dict[Connection, _Judge]:
        """Order so many judges for a job; their channels, with what is known of them."""
        pipes = [multiprocessing.Pipe(duplex=False) for _ in range(count)]
        numbers = tuple(next(self._numbers) for _ in pipes)
        ordered = order.Order(job.plan, job.submissions, job.finished, numbers)
        with contextlib.suppress(OSError):  # of a bench that is gone the channels tell
            order.send(self._control, ordered, [deck.fileno(), *(theirs.fileno() for _, theirs in pipes)])
        for _, theirs in pipes:
            theirs.close()
        return {ours: _Judge(number) for number, (ours, _) in zip(numbers, pipes, strict=True)}

    def _end_of(self, judge: int) -> str:
        """How a judge ended, by what the bench says; it tells of others' ends as they come."""
        while judge not in self._ended and (line := self._said.readline()):
            said = json.loads(line)
            self._ended[said["judge"]] = said["code"]
        if judge in self._ended:
            return f"the judge's process ended with exit code {self._ended[judge]}"
        return f"the process that judges come from ended with exit code {self._process.wait()}"


@contextlib.contextmanager
def _dealt(submissions: Sequence[Submission]) -> Iterator[IO[bytes]]:
    """The deck: a file of the submissions' numbers, from which the judges read as they go."""
    with tempfile.TemporaryFile() as deck:
        deck.write(b"".join(n.to_bytes(order.CARD_BYTES) for n in range(len(submissions))))
        deck.seek(0)
        yield deck


def _is_left(deck: IO[bytes]) -> bool:
    """Whether a card is still to be drawn. The kernel keeps one place for all who have the file from us."""
    return os.lseek(deck.fileno(), 0, os.SEEK_CUR) < os.fstat(deck.fileno()).st_size
