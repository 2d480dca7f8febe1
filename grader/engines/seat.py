"""A judge that was forked from the bench: what it was given, what it asks for, and its whole life. Linux only."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader import errors, sandbox
from grader.engines.order import CARD_BYTES, Order
from grader.model import Submission
from grader.processes.origin import Lent

if TYPE_CHECKING:
    from grader.data import DataSet


PAUSE = 0.05  # seconds that the verdict of a check may wait for what is said next


class Speech:
    """What a judge says to the coordinator: lines of JSON, one or more at a time, for each time wakes a process.

    How a check ended is only shown. So it waits for the next one or for its question, and never longer than the judge
    waits for anything but the next answer.
    """

    def __init__(self, channel: Connection) -> None:
        self._channel = channel
        self._lines: list[bytes] = []
        self._sent = 0.0

    def say(self, event: str, **values: Any) -> None:
        """One thing that happened."""
        self._lines.append(json.dumps({"event": event, **values}).encode())
        if event != "checked" or time.monotonic() - self._sent > PAUSE:
            self.send()

    def send(self) -> None:
        """Let nothing wait."""
        if self._lines:
            self._channel.send_bytes(b"\n".join(self._lines))
            self._lines.clear()
            self._sent = time.monotonic()


@dataclass(frozen=True)
class Seat:
    """A judge's descriptors: its channel to the coordinator, the deck, and the socket on which it asks the bench."""

    channel: int
    deck: int
    asks: socket.socket

    def judge(self, order: Order, chosen: sandbox.Sandbox | errors.GraderError, images: DataSet | None) -> None:
        """The judge's whole life."""
        from grader.judge import judge

        lock = threading.Lock()

        def zygote(modules: tuple[str, ...]) -> Lent:
            with lock:
                answer, (descriptor,) = self._asked({"want": "zygote", "modules": modules})
            scratch = Path(order.plan.scratch) / "workers"
            return Lent(scratch, socket.socket(fileno=descriptor), answer["pid"], answer["level"])

        def end() -> None:
            with lock:
                self._asked({"want": "no zygote"})

        def pool() -> socket.socket:
            with lock:
                (descriptor,) = self._asked({"want": "pool"})[1]
                return socket.socket(fileno=descriptor)

        with Connection(self.channel) as connection:
            speech = Speech(connection)

            def deal() -> Iterator[Submission]:
                while card := os.read(self.deck, CARD_BYTES):
                    yield order.submissions[int.from_bytes(card)]
                    speech.send()  # the judge may wait for trainings next

            shared = judge.Shared(chosen, zygote, end, images, pool, deal)
            try:
                judge.judge(order.plan, list(order.submissions), speech.say, order.finished, shared)
            except errors.GraderError as e:
                speech.say("error", type=type(e).__name__, text=str(e))
            speech.say("done")

    def _asked(self, wanted: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
        """What the bench gives, and descriptors. Raises the exception that it met."""
        try:
            self.asks.send(json.dumps(wanted).encode())
            data, descriptors, _, _ = socket.recv_fds(self.asks, 65536, 1)
            answer = json.loads(data)
        except (OSError, ValueError) as e:
            raise errors.WorkerLost(f"the bench is gone: {e!r}") from e
        if "failed" in answer:
            raise getattr(errors, answer["failed"])(answer["text"])
        return answer, descriptors
