"""What the coordinator orders of the bench: the judges of a job. No torch."""

from __future__ import annotations

import pickle
import socket
from dataclasses import dataclass

from grader.engines.job import Finished
from grader.model import Submission
from grader.plan import Plan

CARD_BYTES = 4  # a submission's number in the deck
MOST_JUDGES = 64  # one message carries so many descriptors, and more


@dataclass(frozen=True)
class Order:
    """What the judges of one job are to do; each has a number that no other judge of the bench has or had."""

    plan: Plan
    submissions: tuple[Submission, ...]
    finished: Finished
    numbers: tuple[int, ...]


def send(control: socket.socket, order: Order, descriptors: list[int]) -> None:
    """The coordinator's side of `receive`."""
    body = pickle.dumps(order)
    socket.send_fds(control, [len(body).to_bytes(8)], descriptors)
    control.sendall(body)


def receive(control: socket.socket) -> tuple[Order, list[int]] | None:
    """An order, with the deck and the judges' channels; None when the coordinator is gone."""
    size, descriptors, _, _ = socket.recv_fds(control, 8, MOST_JUDGES + 1)
    body = bytearray()
    while size and len(body) < int.from_bytes(size):
        part = control.recv(1 << 20)
        if not part:
            return None
        body += part
    return (pickle.loads(body), descriptors) if size else None  # noqa: S301  # from the coordinator, as this program is
