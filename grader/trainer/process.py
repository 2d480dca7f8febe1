"""A training process, seen from outside: started when it is needed, and again after every end that spoils it."""

from __future__ import annotations

import json
import multiprocessing
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from grader.model import Verdict
from grader.trainer.work import serve

START_SECONDS = 300  # importing torch takes 2 to 5, on a busy machine much longer
ENDING_SECONDS = 5
# Ends after which a process is replaced: it is still busy, its memory is in pieces, or its GPU context may be broken.
SPOILING = {
    "cpu": {Verdict.TIMED_OUT, Verdict.OUT_OF_MEMORY},
    "cuda": set(Verdict) - {Verdict.PASSED, Verdict.FAILED},
}

Progress = Callable[[int, int], None]
CLOSED = "the trainer was closed"


def ended_with(code: int | None, when: str) -> str:
    """How a training process ended, by its exit code or the negative number of a signal."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = ", most likely because memory ran out" if name == "SIGKILL" else ""
        return f"the training process was ended by {name} {when}{hint}"
    return f"the training process ended with exit code {code} {when}"


def too_slow(wall_seconds: float) -> str:
    """Why a training was stopped."""
    return f"the network was still training after {wall_seconds:g} s"


class Process:
    """One training process. It is started when first needed and after every end that spoils it."""

    def __init__(self, data: Path, device: str) -> None:
        self._arguments = (str(data), device)
        self._lock = threading.Lock()
        self._process: multiprocessing.process.BaseProcess | None = None
        self._channel: Connection | None = None
        self._closed = False

    def run(self, request: bytes, wall_seconds: float, progress: Progress | None) -> tuple[Verdict, str]:
        """Do one job: its verdict, and the reason for any but PASSED."""
        try:
            channel = self._ready()
        except (EOFError, OSError):
            return Verdict.INTERNAL, self._ended("before it was ready")
        try:
            channel.send_bytes(request)
            verdict, reason = _await(channel, wall_seconds, progress)
        except (EOFError, OSError):
            crashed = Verdict.INTERNAL if self._closed else Verdict.CRASHED
            return crashed, self._ended("while it trained the network")
        if verdict in SPOILING[self._arguments[1].partition(":")[0]]:
            self.stop()
        return verdict, reason

    def _ready(self) -> Connection:
        """The channel to a process that waits for a job."""
        if self._channel is not None:
            return self._channel
        with self._lock:
            if self._closed:
                raise EOFError
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            self._process = context.Process(target=serve, args=(theirs, *self._arguments), daemon=True)
            self._process.start()
            theirs.close()
            self._channel = ours
        if not ours.poll(START_SECONDS):
            raise EOFError
        ours.recv_bytes()
        return ours

    def _ended(self, when: str) -> str:
        """Clear away a process that died; what happened."""
        process = self._process
        if process is not None:
            process.join(ENDING_SECONDS)  # its channel closes a little before it has ended
        self.stop()
        if self._closed or process is None:
            return CLOSED
        return ended_with(process.exitcode, when)

    def stop(self) -> None:
        """End the process; the next job starts another. Only for the thread that has the process in use."""
        process, channel = self._process, self._channel
        self._process = self._channel = None
        if process is not None:
            process.kill()
            process.join()
        if channel is not None:
            channel.close()

    def close(self) -> None:
        """Kill the process for good; the thread that waits for it finds its channel closed."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()


def _await(channel: Connection, wall_seconds: float, progress: Progress | None) -> tuple[Verdict, str]:
    """The end of the job that was sent. Raises EOFError when the process dies."""
    deadline = time.monotonic() + wall_seconds
    while channel.poll(max(0.0, deadline - time.monotonic())):
        reply = json.loads(channel.recv_bytes())
        if "verdict" in reply:
            return Verdict(reply["verdict"]), reply["reason"]
        if progress:
            progress(*reply["progress"])
    return Verdict.TIMED_OUT, too_slow(wall_seconds)
