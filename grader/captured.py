"""A network of a student's as a graph and weights: what a worker's reply gives, and the network rebuilt from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from grader.graph.rebuild import Network, Refused, rebuild
from grader.model import Verdict
from grader.processes import exchange
from grader.processes.process import Unanswered
from grader.wire import Message


@dataclass(frozen=True)
class Captured:
    """A network of the student's as captured; `note` says what is unusual about its output."""

    ir: dict[str, Any]
    tensors: dict[str, Tensor]
    note: str


class Uncapturable(Unanswered):
    """The network runs, but has no faithful graph: what a check asks of its parts is for a person to say."""

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        text = f"{name} cannot be written down as a graph, so a person looks at its parts: {reason}"
        super().__init__(Verdict.UNGRADED, text)


def of(name: str, reply: Message) -> Captured:
    """What a worker's reply to "capture" holds. Raises `Unanswered`: `Uncapturable`, where it says that it cannot."""
    if reply.kind == "uncapturable":
        raise Uncapturable(name, exchange.text(reply.body.get("reason", "")))
    ir = reply.body.get("ir")
    if not isinstance(ir, dict):
        raise Unanswered(Verdict.FAILED, f"{name} gave no graph.")
    return Captured(ir, reply.tensors, exchange.text(reply.body.get("note", "")))


def rebuilt(name: str, captured: Captured) -> Network:
    """The network of a graph that the student's process wrote down. Raises `Unanswered` where the graph is refused."""
    try:
        return rebuild(captured.ir, captured.tensors)
    except Refused as e:
        note = f" {captured.note[:1].upper()}{captured.note[1:]}." if captured.note else ""
        raise Unanswered(Verdict.FAILED, f"{name} cannot be rebuilt: {e}{note}") from e
