"""The two ways to reach an untrusted process, a socket or a pair of pipes, each with a deadline on every call."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol


class Channel(Protocol):
    """A stream of bytes with the other side, with a deadline in time.monotonic() seconds."""

    def send(self, data: bytes, deadline: float) -> None:
        """All of `data`. Raises TimeoutError, or OSError when the other side is gone."""

    def receive(self, size: int, deadline: float) -> bytes:
        """At most `size` bytes, b"" at the end. Raises TimeoutError."""

    def close(self) -> None:
        """Cut it: a later call on either side ends at once."""


AHEAD = 1 << 16  # bytes that are read at once where there are so many: most replies are shorter


class SocketChannel:
    """A Unix socket. `until` waits until it is ready for an event of `select.poll`; False if the deadline is first."""

    def __init__(self, sock: socket.socket, until: Callable[[socket.socket, int, float], bool]) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._until = until
        self._arrived = memoryview(b"")

    def send(self, data: bytes, deadline: float) -> None:
        """All of `data`."""
        left = memoryview(data)
        while left:
            try:
                left = left[self._socket.send(left) :]
            except BlockingIOError:
                self._wait(select.POLLOUT, deadline)

    def receive(self, size: int, deadline: float) -> bytes:
        """The next bytes."""
        while not self._arrived:
            self._wait(select.POLLIN, deadline)
            with contextlib.suppress(BlockingIOError):
                if not (part := self._socket.recv(max(size, AHEAD))):
                    return b""
                self._arrived = memoryview(part)
        part, self._arrived = bytes(self._arrived[:size]), self._arrived[size:]
        return part

    def _wait(self, event: int, deadline: float) -> None:
        if not self._until(self._socket, event, deadline):
            raise TimeoutError

    def close(self) -> None:
        """Shut down both ways, then close."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class PipeChannel:
    """A fresh process's stdin and stdout. A watchdog calls `kill` at the deadline, which ends a blocked read."""

    def __init__(self, process: subprocess.Popen[bytes], kill: Callable[[], None]) -> None:
        self._process = process
        self._kill = kill

    @contextlib.contextmanager
    def _watched(self, deadline: float) -> Iterator[None]:
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            self._kill()

        timer = threading.Timer(_left(deadline), expire)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            if expired.is_set():
                raise TimeoutError

    def send(self, data: bytes, deadline: float) -> None:
        """All of `data`."""
        assert self._process.stdin is not None  # noqa: S101  # opened with a pipe
        with self._watched(deadline):
            self._process.stdin.write(data)
            self._process.stdin.flush()

    def receive(self, size: int, deadline: float) -> bytes:
        """The next bytes."""
        assert self._process.stdout is not None  # noqa: S101  # opened with a pipe
        with self._watched(deadline):
            return os.read(self._process.stdout.fileno(), size)

    def close(self) -> None:
        """Close our ends."""
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]  # opened with pipes


def _left(deadline: float) -> float:
    """Seconds to a deadline; never 0, which would mean "do not block"."""
    return max(deadline - time.monotonic(), 1e-3)
