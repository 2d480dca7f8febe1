"""A judge's place at the pool of training processes: it asks, and hears how it ended."""

from __future__ import annotations

import json
import queue
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from multiprocessing.connection import Connection
from typing import Any

from grader.model import Verdict
from grader.trainer.process import CLOSED, Progress

GONE = "the process that deals out the trainings is gone"


class Place:
    """A connection to the pool; `connect` gives one, and another when the pool had to be started again."""

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._line: _Line | None = None
        self._closed = False

    def run(
        self, key: str, request: bytes, seconds: float, device: str, progress: Progress | None, *, again: bool
    ) -> tuple[Verdict, str]:
        """Have one job done: its verdict, and the reason for any but PASSED. `again`: its result could not be read."""
        head = {"key": key, "seconds": seconds, "device": device, "again": again}
        try:
            with self._lock:
                if self._closed:
                    return Verdict.INTERNAL, CLOSED
                if self._line is None or not self._line.alive:
                    self._line = _Line(self._connect())
                line = self._line
            return line.ask(head, request, progress)
        except (EOFError, OSError):
            return (Verdict.INTERNAL, CLOSED) if self._closed else (Verdict.CRASHED, GONE)

    def close(self) -> None:
        """Give up what is not finished: the threads that wait hear of the end."""
        with self._lock:
            self._closed = True
            if self._line:
                self._line.close()


class _Line:
    """One connection, with a thread that hands each reply to who waits for it."""

    def __init__(self, sock: socket.socket) -> None:
        self.alive = True
        self._socket = sock
        self._connection = Connection(sock.fileno())
        self._sending = threading.Lock()
        self._numbers = count()
        self._waiting: dict[int, queue.SimpleQueue[dict[str, Any] | None]] = {}
        threading.Thread(target=self._hear, daemon=True).start()

    def ask(self, head: dict[str, object], request: bytes, progress: Progress | None) -> tuple[Verdict, str]:
        """The verdict and its reason. Raises EOFError or OSError when the other side is gone."""
        replies: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        with self._sending:
            number = next(self._numbers)
            self._waiting[number] = replies
            if not self.alive:  # nobody would say so any more
                raise EOFError
            self._connection.send_bytes(json.dumps({**head, "number": number}).encode())
            self._connection.send_bytes(request)
        while (reply := replies.get()) is not None:
            if "verdict" in reply:
                return Verdict(reply["verdict"]), reply["reason"]
            if progress:
                progress(*reply["progress"])
        raise EOFError

    def _hear(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                reply = json.loads(self._connection.recv_bytes())
                if "verdict" in reply:
                    self._waiting.pop(reply["number"]).put(reply)
                else:
                    self._waiting[reply["number"]].put(reply)
        with self._sending:
            self.alive = False
            self._connection.close()
            self._socket.detach()  # the same descriptor
        for replies in list(self._waiting.values()):
            replies.put(None)

    def close(self) -> None:
        """Cut it, which the thread that listens notices."""
        with self._sending, suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
