"""The operating system's side of an untrusted process: kill all of it, learn how it ended, and read what it printed."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import IO, Protocol

from grader.errors import WorkerLost

START_SECONDS = 120.0  # an import of torch on a machine that is busy with other work
POLL_SECONDS = 0.01
LEAST_SECONDS = 1e-3  # what has arrived by a deadline is taken also by one who looks a little later
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes of what the kernel counts the most resident memory in


@dataclass(frozen=True)
class Death:
    """How a worker ended: `signal` 0 and an exit `code`, or a `signal`. `memory_bytes` is its peak resident size.

    It is 0 where that is not known.
    """

    code: int
    signal: int
    memory_bytes: int
    cpu_seconds: float


class Life(Protocol):
    """The operating system's side of a worker: kill it, and learn how it ended."""

    def kill(self) -> None:
        """SIGKILL to all of it."""

    def dies(self, seconds: float) -> bool:
        """Whether it ends by itself within so many seconds."""

    def wait(self) -> Death:
        """How it ended; waits for the end."""

    def output(self) -> bytes:
        """What it printed, capped; complete once it has ended."""


class ForkedLife:
    """A worker that a zygote forked: its status comes by socket, its output by a pipe that is emptied by `until`."""

    def __init__(self, status: socket.socket, log: int, cap: int) -> None:
        self._status = status
        status.settimeout(START_SECONDS)
        self._messages = status.makefile("rb")
        self._pid: int | None = None
        self._handle: int | None = None
        self._death: Death | None = None
        self._over = False
        self._log = CappedLog(log, cap)
        self.until = self._log.until

    def _know_pid(self) -> int | None:
        """The pid, and the descriptor that comes with it: the kernel never joins what follows to a message with one."""
        if self._pid is None:
            line, handles, _, _ = socket.recv_fds(self._status, 4096, 1)
            if line:
                self._pid = int(json.loads(line)["pid"])
                self._handle = handles[0] if handles else None
        return self._pid

    def kill(self) -> None:
        """SIGKILL to it. Behind walls that is all of it: process 1 of a namespace, or one that could start no other."""
        with contextlib.suppress(OSError, ValueError):
            if self._death is None and (pid := self._know_pid()):
                if self._handle is None:
                    kill_tree(pid)
                else:
                    signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def dies(self, seconds: float) -> bool:
        """Whether the zygote has something to say of its end."""
        with contextlib.suppress(OSError, ValueError):
            self._know_pid()
            return self.until(self._status, select.POLLIN, time.monotonic() + seconds)
        return False

    def wait(self) -> Death:
        """What the zygote said of its end."""
        if self._death is None:
            try:
                self._know_pid()
                value = json.loads(self._messages.readline())
                self._death = Death(value["code"], value["signal"], value["memory_bytes"], value["cpu_seconds"])
            except (OSError, ValueError, KeyError) as e:
                raise WorkerLost(f"the zygote did not say how a worker ended: {e!r}") from e
            finally:
                self._over = True
                self.output()  # nothing follows; whoever asks for it no more leaves no descriptor open
                self._messages.close()
                self._status.close()
                if self._handle is not None:
                    os.close(self._handle)
                    self._handle = None
        return self._death

    def output(self) -> bytes:
        """Its output so far."""
        return self._log.read(finished=self._over)


class FreshLife:
    """A worker that is our own child, its output in a file. The file is read once the child is dead: they share a place
    in it, and reading would move the child's."""

    def __init__(self, process: subprocess.Popen[bytes], log: IO[bytes], cap: int) -> None:
        self._process = process
        self._log = log
        self._cap = cap
        self._output = b""
        self._inherited = _peak()
        self._death: Death | None = None
        self._lock = threading.Lock()  # the watchdog of the channel kills from its own thread

    def kill(self) -> None:
        """SIGKILL to its process group; where there are none, to it."""
        if not self._ended():
            kill_tree(self._process.pid)
            if os.name != "posix":
                self._process.kill()

    def dies(self, seconds: float) -> bool:
        """Whether our child ends by itself."""
        deadline = time.monotonic() + seconds
        while not (ended := self._ended()) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return ended

    def _ended(self) -> bool:
        """Whether it has ended; the kernel tells what it used only to the call that buries it."""
        with self._lock:
            if self._death is None and os.name != "posix":
                code = self._process.poll()
                self._death = None if code is None else Death(code, 0, 0, 0.0)
            elif self._death is None:
                pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
                if pid:
                    self._process.returncode = code = os.waitstatus_to_exitcode(status)
                    peak = usage.ru_maxrss * RSS_UNIT
                    held = peak if peak > self._inherited else 0
                    self._death = Death(max(code, 0), max(-code, 0), held, usage.ru_utime + usage.ru_stime)
        return self._death is not None

    def wait(self) -> Death:
        """How our child ended."""
        while not self._ended():
            time.sleep(POLL_SECONDS)
        if not self._log.closed:
            self._log.seek(0)
            self._output = _capped(self._log.read(self._cap + 1), self._cap)
            self._log.close()
        assert self._death is not None  # noqa: S101  # it has ended
        return self._death

    def output(self) -> bytes:
        """The head of its log file; nothing before its end."""
        return self._output


def _peak() -> int:
    """The most that we held so far, in bytes. A child that runs another program counts that as its own most."""
    if os.name != "posix":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT


class CappedLog:
    """The first `cap` bytes of a pipe. It is emptied while we wait for its writer, which it then never holds up."""

    def __init__(self, fd: int, cap: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._cap = cap
        self._data = bytearray()
        self._open = True

    def until(self, sock: socket.socket, event: int, deadline: float) -> bool:
        """Wait until a socket is ready for an event of `select.poll`, or cut; False when the deadline comes first."""
        while True:
            left = deadline - time.monotonic()
            poll = select.poll()
            poll.register(sock, event)
            if self._open:
                poll.register(self._fd, select.POLLIN)
            ready = [fd for fd, _ in poll.poll(max(left, LEAST_SECONDS) * 1000)]
            if self._open and self._fd in ready:
                self._take()
            if sock.fileno() in ready:
                return True
            if left <= 0:
                return False

    def _take(self) -> None:
        """Read what is there."""
        for _ in range(64):  # a flood may not keep us from seeing anything else
            try:
                part = os.read(self._fd, 1 << 16)
            except BlockingIOError:
                return
            if not part:
                self._close()
                return
            self._data += part[: max(self._cap + 1 - len(self._data), 0)]

    def _close(self) -> None:
        self._open = False
        os.close(self._fd)

    def read(self, *, finished: bool) -> bytes:
        """What was kept; `finished` says that nothing follows."""
        if self._open:
            self._take()
        if self._open and finished:
            self._close()
        return _capped(bytes(self._data), self._cap)


def _capped(data: bytes, cap: int) -> bytes:
    return data if len(data) <= cap else data[:cap] + f"\n[output cut at {cap >> 10} KiB]".encode()


def kill_tree(pid: int) -> None:
    """SIGKILL to the process group of `pid`; each worker leads one."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
