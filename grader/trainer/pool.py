"""The training processes that several judges share: one single-threaded process forks them and deals out the jobs.

Theory of operation. The pool holds the data set and has torch imported, so a training process is a fork that starts at
once and shares both. A judge sends a request under its job's key. One that is in work already is not begun again: both
judges hear of its end. One that was done is answered at once, for its result is in the cache, which they share. The
queue is served in the order in which it came, by as many processes as there are jobs, so that no core idles while any
judge's network waits. What no living judge waits for any more is stopped.

    judge -> pool   {"number", "key", "seconds", "device"}, then the request as bytes
    pool -> judge   {"number", "progress": [done, epochs]} and at last {"number", "verdict", "reason"}
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from collections import deque
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from grader import forked
from grader.model import Verdict
from grader.trainer.process import SPOILING, ended_with, too_slow

if TYPE_CHECKING:
    from grader.data import DataSet

Waiter = tuple[Connection, int]
"""A judge, and its own number for what it waits for."""


@dataclass(eq=False)
class _Task:
    """One job, and who waits for it."""

    key: str
    request: bytes
    seconds: float
    device: str
    waiters: list[Waiter] = field(default_factory=list)


@dataclass(eq=False)
class _Child:
    """A training process; its device, and its task with the end of its time by time.monotonic()."""

    pid: int
    channel: Connection
    device: str
    task: _Task | None = None
    deadline: float = 0.0


class Pool:
    """Serves the judges that `control` brings; each message on it has a judge's connection as its descriptor."""

    def __init__(self, control: socket.socket, data: DataSet, jobs: int) -> None:
        self._control = control
        self._data = data
        self._jobs = jobs
        self._judges: list[Connection] = []
        self._queue: deque[_Task] = deque()
        self._children: list[_Child] = []
        self._done: set[str] = set()

    def serve(self) -> None:
        """Until the control socket closes."""
        open_ = True
        while open_:
            ready = wait([self._control, *self._judges, *(c.channel for c in self._children)], self._patience())
            for child in [c for c in self._children if c.channel in ready]:
                self._hear(child)
            for judge in [j for j in self._judges if j in ready]:
                self._listen(judge)
            if self._control in ready:
                open_ = self._welcome()
            self._stop_late()
            self._begin()
        for child in list(self._children):
            self._end(child)

    def _patience(self) -> float | None:
        """Seconds until the first deadline."""
        deadlines = [c.deadline for c in self._children if c.task]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    # -------------------------------------------------------------------------------------------------------- judges

    def _welcome(self) -> bool:
        """A new judge; False at the end."""
        _, descriptors, _, _ = socket.recv_fds(self._control, 16, 1)
        self._judges += [Connection(fd) for fd in descriptors]
        return bool(descriptors)

    def _listen(self, judge: Connection) -> None:
        """One request of a judge, or its end."""
        try:
            head = json.loads(judge.recv_bytes())
            request = judge.recv_bytes()
        except (EOFError, OSError):
            self._forget(judge)
            return
        waiter = (judge, head["number"])
        if head["key"] in self._done and not head["again"]:
            self._tell([waiter], verdict=Verdict.PASSED, reason="")
            return
        tasks = [*self._queue, *(c.task for c in self._children if c.task)]
        task = next((t for t in tasks if t.key == head["key"]), None)
        if task is None:
            task = _Task(head["key"], request, head["seconds"], head["device"])
            self._queue.append(task)
        task.waiters.append(waiter)

    def _forget(self, judge: Connection) -> None:
        """A judge is gone, and with it the wish for what only it waited for."""
        self._judges.remove(judge)
        judge.close()
        for task in [*self._queue, *(c.task for c in self._children if c.task)]:
            task.waiters = [w for w in task.waiters if w[0] is not judge]
        self._queue = deque(task for task in self._queue if task.waiters)
        for child in [c for c in self._children if c.task and not c.task.waiters]:
            self._end(child)

    def _tell(self, waiters: list[Waiter], **what: object) -> None:
        for judge, number in waiters:
            with contextlib.suppress(OSError):  # its end is heard of by and by
                judge.send_bytes(json.dumps({"number": number, **what}).encode())

    # ------------------------------------------------------------------------------------------------------ children

    def _begin(self) -> None:
        """Give each idle process a task, and start processes as long as there may be more."""
        while self._queue:
            device = self._queue[0].device
            child = next((c for c in self._children if c.task is None and c.device == device), None)
            if child is None and len(self._children) >= self._jobs:
                child = next((c for c in self._children if c.task is None), None)
                if child is None:
                    return
                self._end(child)  # it is for another device
                child = None
            child = child or self._fork(device)
            child.task = self._queue.popleft()
            child.deadline = time.monotonic() + child.task.seconds
            with contextlib.suppress(OSError):  # it died while it was idle: what follows is its end
                child.channel.send_bytes(child.task.request)
            child.task.request = b""  # as large as the network, and not needed again

    def _fork(self, device: str) -> _Child:
        from grader.trainer import work

        if not self._children:
            work.practise()
        ours, theirs = Pipe()
        pid = forked.fork("training", [theirs.fileno()], lambda: work.attend(theirs, self._data, device))
        theirs.close()
        child = _Child(pid, ours, device)
        self._children.append(child)
        return child

    def _hear(self, child: _Child) -> None:
        """A word of a training process, or its end."""
        try:
            reply = json.loads(child.channel.recv_bytes())
        except (EOFError, OSError):
            _, status = os.waitpid(child.pid, 0)
            self._children.remove(child)
            child.channel.close()
            if child.task:
                code = os.waitstatus_to_exitcode(status)
                self._finish(child.task, Verdict.CRASHED, ended_with(code, "while it trained the network"))
            return
        task = child.task
        if task is None:
            return
        if "progress" in reply:
            self._tell(task.waiters, progress=reply["progress"])
            return
        verdict, child.task = Verdict(reply["verdict"]), None
        if verdict is Verdict.PASSED:
            self._done.add(task.key)
        self._finish(task, verdict, reply["reason"])
        if verdict in SPOILING[child.device.partition(":")[0]]:
            self._end(child)

    def _finish(self, task: _Task, verdict: Verdict, reason: str) -> None:
        self._tell(task.waiters, verdict=verdict, reason=reason)

    def _stop_late(self) -> None:
        """End what is past its time."""
        for child in [c for c in self._children if c.task and c.deadline <= time.monotonic()]:
            assert child.task is not None  # noqa: S101  # as asked for
            self._finish(child.task, Verdict.TIMED_OUT, too_slow(child.task.seconds))
            self._end(child)

    def _end(self, child: _Child) -> None:
        """Kill it and clear it away."""
        self._children.remove(child)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
        child.channel.close()
        os.waitpid(child.pid, 0)
