"""The bench: the warm process that the judges of a machine are forked from. Trusted; runs no student code. Linux only.

Theory of operation. To import torch costs seconds of processor time, so the judges of a machine have it from one
process that has done so, as do the training processes. While it imports, the zygotes that the class needs (one with
torchvision, one without), which it starts first, do the same on another core. All judges share them; when one dies, the
bench starts another. The judges draw submissions from one deck, a file whose place they share, so that none
idles as long as one is left; a judge that dies takes along only what it had begun, and the coordinator orders another.

The zygote is a program of its own and not a fork of the bench's. What is forked has its mother's addresses, stack
canaries and seed of hashes, and student code can read those in its own memory: it would know where everything lies in
the judge, which reads what student code sends. No test could show that to be harmless.

    coordinator -> bench   descriptors: the deck, and a channel for each judge; then a pickled Order
    bench -> coordinator   {"judge": number, "code": exit code} when one has ended
    judge -> bench         {"want": "zygote", "modules": [...]}, {"want": "no zygote"} or {"want": "pool"}
    bench -> judge         what was wanted, with a descriptor; or {"failed": class of the exception, "text": why}
"""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import os
import select
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader import assignment, errors, forked, sandbox
from grader.engines.order import Order, receive
from grader.engines.seat import Seat
from grader.processes.origin import Zygote
from grader.processes.preludes import practises, preludes

if TYPE_CHECKING:
    from grader.data import DataSet
    from grader.plan import Plan

FEW = 4
"""A class up to this size is checked sooner where its zygotes leave out what pays for many."""


def main(fd: int) -> None:
    """The bench's process, given the descriptor of its control socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the coordinator's
    forked.end_with(os.getppid())
    control = socket.socket(fileno=fd)
    if (received := receive(control)) is None:
        return
    bench = Bench(control, received[0])
    bench.warm()
    bench.serve(*received)
    bench.close()
    os._exit(0)


@dataclass(frozen=True)
class _Judge:
    """A judge that was forked: its number, and the socket on which it asks."""

    number: int
    asks: socket.socket


class Bench:
    """Gets warm once, then forks judges as they are ordered and gives them what they ask for."""

    def __init__(self, control: socket.socket, order: Order) -> None:
        self._control = control
        self._plan = order.plan
        self._scratch = Path(order.plan.scratch) / "workers"
        self._secrets = tuple(map(Path, order.plan.secrets))
        self._sandbox: sandbox.Sandbox | errors.GraderError
        self._zygotes: dict[tuple[str, ...], Zygote] = {}
        self._asks_for_networks = _asks_for_networks(order.plan)
        self._networks = self._with_networks(order)
        self._few = len(order.submissions) <= FEW
        self._preludes = preludes(order.submissions)
        self._images: DataSet | None = None
        self._judges: dict[int, _Judge] = {}
        self._pool: tuple[int, socket.socket] | None = None
        self._wake, self._waker = socket.socketpair()

    # ----------------------------------------------------------------------------------------------------------- warm

    def warm(self) -> None:
        """Start the zygotes, import what judges need while they do so too, and read the images."""
        gc.disable()  # to look for garbage among what is being imported takes a fifth of the time
        self._scratch.mkdir(exist_ok=True)
        self._sandbox = self._chosen()
        from grader.judge import preparation  # now, beside the zygotes: torch comes with it

        measures = self._networks and self._plan.train and self._plan.reference is not None
        preparation.prepare(networks=self._asks_for_networks, measures=measures)
        if self._plan.train and (self._plan.data or self._asks_for_networks):
            self._images = self._opened()
        for modules, zygote in list(self._zygotes.items()):
            try:
                zygote.ready()
            except errors.GraderError:  # the judge is told when it asks, as it would be then
                del self._zygotes[modules]
        gc.freeze()  # with what garbage there is: to find it takes longer, and no memory would be given back
        gc.enable()

    def _chosen(self) -> sandbox.Sandbox | errors.GraderError:
        """The sandbox, with the zygotes that get warm in it; or why there is none."""
        try:
            chosen = sandbox.choose(self._plan.require, self._plan.fresh, self._secrets)
            for modules in self._preludes if chosen.forks else ():
                self._zygotes[modules] = self._zygote(chosen, modules, wait=False)
        except errors.SandboxUnavailable as e:
            return e
        except errors.WorkerLost:
            return chosen
        return chosen

    def _zygote(self, chosen: sandbox.Sandbox, modules: tuple[str, ...], *, wait: bool) -> Zygote:
        return Zygote(self._scratch, modules, chosen, self._secrets, networks=self._networks, few=self._few, wait=wait)

    def _with_networks(self, order: Order) -> bool:
        """Whether a question has a network, or a submission names what needs torch's parts for them."""
        return practises((f.data for s in order.submissions for f in s.files), networks=self._asks_for_networks)

    def _opened(self) -> DataSet | None:
        """The images; without them a judge reads them itself, and says what is wrong."""
        from grader import data

        with contextlib.suppress(errors.GraderError):
            return data.open_default(Path(self._plan.data) if self._plan.data else None)
        return None

    # ---------------------------------------------------------------------------------------------------------- serve

    def serve(self, order: Order, descriptors: list[int]) -> None:
        """Until the coordinator closes the control socket."""
        for end in (self._wake, self._waker):
            end.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        received: tuple[Order, list[int]] | None = (order, descriptors)
        while received:
            self._practise(received[0])
            self._seat(*received)
            while not self._attend():
                pass
            received = receive(self._control)

    def _practise(self, order: Order) -> None:
        """Let go of the zygotes that know of layers alone when there are networks now."""
        if self._with_networks(order) and not self._networks:
            self._networks = True
            for modules in list(self._zygotes):
                self._zygotes.pop(modules).close()

    def _attend(self) -> bool:
        """What judges ask for, and their ends; True when the coordinator has something to say."""
        asking = {judge.asks: judge for judge in self._judges.values()}
        ready, _, _ = select.select([self._control, self._wake, *asking], [], [])
        for sock in (s for s in ready if s in asking):
            self._answer(sock)
        if self._wake in ready:
            with contextlib.suppress(BlockingIOError):
                self._wake.recv(4096)
        self._reap()
        return self._control in ready

    def _seat(self, order: Order, descriptors: list[int]) -> None:
        """Fork the judges of an order."""
        deck, *channels = descriptors
        for number, channel in zip(order.numbers, channels, strict=True):
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            seat = Seat(channel, deck, theirs)
            life = functools.partial(seat.judge, order, self._sandbox, self._images)
            pid = forked.fork("judge", [channel, deck, theirs.fileno()], life)
            theirs.close()
            self._judges[pid] = _Judge(number, ours)
        for fd in descriptors:
            os.close(fd)

    def _reap(self) -> None:
        """Tell of the judges that have ended."""
        for pid in list(self._judges):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                judge = self._judges.pop(pid)
                judge.asks.close()
                self._say({"judge": judge.number, "code": os.waitstatus_to_exitcode(status)})

    def _say(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the coordinator may have gone
            self._control.sendall(json.dumps(message).encode() + b"\n")

    # --------------------------------------------------------------------------------------------------------- answer

    def _answer(self, sock: socket.socket) -> None:
        """Give a judge what it asks for."""
        with contextlib.suppress(OSError):  # one that is gone is reaped
            data = sock.recv(65536)
            if not data:
                return
            wanted = json.loads(data)
            try:
                self._give(sock, wanted)
            except (errors.SandboxUnavailable, errors.WorkerLost) as e:
                sock.send(json.dumps({"failed": type(e).__name__, "text": str(e)}).encode())

    def _give(self, sock: socket.socket, wanted: dict[str, Any]) -> None:
        if wanted["want"] == "pool":
            ours, theirs = socket.socketpair()
            with ours, theirs:
                self._announce(ours)
                socket.send_fds(sock, [b"{}"], [theirs.fileno()])
            return
        if wanted["want"] == "no zygote":
            while self._zygotes:
                self._zygotes.popitem()[1].close()
            sock.send(b"{}")
            return
        self._living(tuple(wanted["modules"])).lend(sock)

    def _living(self, modules: tuple[str, ...]) -> Zygote:
        """The zygote that has imported these modules, started anew when there is none or it has died."""
        zygote = self._zygotes.get(modules)
        if zygote is None or not zygote.alive:
            if isinstance(self._sandbox, errors.GraderError):
                raise self._sandbox
            if zygote:
                zygote.close()
            zygote = self._zygotes[modules] = self._zygote(self._sandbox, modules, wait=True)
        return zygote

    def _announce(self, judge: socket.socket) -> None:
        """Give the pool a judge's connection. One that dies has closed its end before it can be waited for."""
        try:
            socket.send_fds(self._pool_control(), [b"judge"], [judge.fileno()])
        except OSError:
            assert self._pool is not None  # noqa: S101  # it was there a moment ago
            pid, control = self._pool
            control.close()
            self._pool = None
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            socket.send_fds(self._pool_control(), [b"judge"], [judge.fileno()])

    def _pool_control(self) -> socket.socket:
        """Where judges are announced to the pool, which is forked when first asked for, and anew when it has died."""
        if self._pool and os.waitpid(self._pool[0], os.WNOHANG)[0]:
            self._pool[1].close()
            self._pool = None
        if self._pool is None:
            ours, theirs = socket.socketpair()
            pid = forked.fork("trainer", [theirs.fileno()], lambda: self._train(theirs))
            theirs.close()
            self._pool = pid, ours
        return self._pool[1]

    def _train(self, control: socket.socket) -> None:
        """The pool's whole life."""
        from grader.trainer.pool import Pool

        assert self._images is not None  # noqa: S101  # a judge without images does not ask
        Pool(control, self._images, self._plan.jobs).serve()

    def close(self) -> None:
        """End all that comes from here."""
        for pid in [*self._judges, *([self._pool[0]] if self._pool else [])]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        for zygote in self._zygotes.values():
            zygote.close()


def _asks_for_networks(plan: Plan) -> bool:
    """Whether a question that is asked has a network."""
    try:
        asked = assignment.asked(assignment.load(Path(plan.assignment)), plan.questions)
    except errors.GraderError:  # a judge says so
        return False
    return any(q.network for q in asked)
