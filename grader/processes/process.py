"""An untrusted process as the trusted side sees it: ask it, within a time; it may die, and then says why no more.

Theory of operation. A worker has three descriptors of ours: a channel (wire messages), a log (its stdout and stderr,
capped, only ever shown) and a status socket, on which the zygote tells the pid and, once the worker is dead, how it
died. Where there is no fork (Windows, macOS), a worker is a fresh interpreter with pipes, and everything else is the
same.

Time is enforced here, from outside: when a reply is late, the worker is killed and the channel is cut, so that nothing
that still holds it can keep us waiting. Each request carries a number that nobody can guess, and only a reply with that
number is one: what was sent before it was asked for, or sent once more, is none.
"""

from __future__ import annotations

import secrets
import signal
import time
from dataclasses import dataclass, replace

from grader import wire
from grader.errors import WorkerLost
from grader.model import Verdict
from grader.processes import advice
from grader.processes.channel import Channel
from grader.processes.life import START_SECONDS, Death, Life
from grader.sandbox.blueprint import ABORTED

DYING_SECONDS = 2.0  # from the end of a process's channel to the end of the process, on a busy machine
CUT = "It cut its connection to the judge instead of answering."
KILL = getattr(signal, "SIGKILL", None)  # Windows has none
STOPS = frozenset({KILL, getattr(signal, "SIGXCPU", None)})
DEFAULT_CAPS = wire.Caps()


@dataclass(frozen=True)
class Allowance:
    """What a worker may use. `memory_bytes` is its data segment, torch included."""

    memory_bytes: int
    output_bytes: int
    cpu_seconds: int


class Unanswered(Exception):
    """The student's code did not answer. `verdict` says why; the text is for the student, `detail` is folded away."""

    def __init__(self, verdict: Verdict, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.verdict = verdict
        self.detail = detail


class Worker:
    """One untrusted process. `ask` it; after an `Unanswered` it is dead."""

    def __init__(self, channel: Channel, life: Life, allowance: Allowance) -> None:
        self._channel = channel
        self._life = life
        self._allowance = allowance
        self.alive = True
        self.ready = self._reply(0, time.monotonic() + START_SECONDS, DEFAULT_CAPS)

    def ask(self, request: wire.Message, wall_seconds: float, caps: wire.Caps = DEFAULT_CAPS) -> wire.Message:
        """The reply to a request, within `wall_seconds`. The worker is dead after any exception.

        Raises `Unanswered`, and `WorkerLost` when it was not the student's code that ended it.
        """
        if not self.alive:
            raise WorkerLost("a dead worker was asked")
        number = secrets.randbits(64)
        deadline = time.monotonic() + wall_seconds
        try:
            self._channel.send(wire.pack(replace(request, number=number)), deadline)
            return self._reply(number, deadline, caps)
        except TimeoutError:
            self.end()
            raise Unanswered(
                Verdict.TIMED_OUT,
                f"No answer within {wall_seconds:g} seconds, so it was stopped. {advice.ENDLESS}",
            ) from None
        except (wire.Closed, OSError):
            died = self._life.dies(DYING_SECONDS)  # before we kill it ourselves, or every death would be by SIGKILL
            death = self.end()
            raise (end_of(death, self._allowance) if died else Unanswered(Verdict.FAILED, CUT)) from None
        except wire.Bad as e:
            self.end()
            raise Unanswered(Verdict.FAILED, f"The answer could not be read: {e}. {advice.PLAIN}") from None

    def _reply(self, number: int, deadline: float, caps: wire.Caps) -> wire.Message:
        reply = wire.read(lambda size: self._channel.receive(size, deadline), caps)
        if reply.number != number:
            raise wire.Bad("it is not the reply to what was asked")
        return reply

    def end(self) -> Death:
        """Kill it, if it lives, and wait until it is dead. Raises `WorkerLost` when nobody can say how it ended."""
        self.alive = False
        self._life.kill()
        self._channel.close()
        return self._life.wait()

    @property
    def output(self) -> str:
        """What it printed so far, capped and decoded for display only."""
        return self._life.output().decode("utf-8", "replace")


def started(channel: Channel, life: Life, allowance: Allowance) -> Worker:
    """A worker that has said "ready". Raises `WorkerLost`: before that, a failure is ours."""
    try:
        return Worker(channel, life, allowance)
    except (wire.Closed, wire.Bad, OSError) as e:
        life.kill()
        channel.close()
        try:
            end = f"ended so: {life.wait()}"
        except WorkerLost as lost:
            end = str(lost)
        raise WorkerLost(f"a worker did not start: {e!r}; {end}; it said: {life.output()[-500:]!r}") from e


def end_of(death: Death, limit: Allowance) -> Unanswered:
    """A sentence on how the process ended: which limit it passed, and by how much where that is known."""
    # Process 1 of a namespace gets SIGKILL for SIGXCPU; and the kernel counts ticks, the account has fractions.
    if death.signal in STOPS and death.cpu_seconds > limit.cpu_seconds / 2:
        used = f"It used more than {limit.cpu_seconds} CPU seconds: it was stopped at {death.cpu_seconds:.1f}."
        return Unanswered(Verdict.TIMED_OUT, f"{used} {advice.ENDLESS}")
    if death.memory_bytes > limit.memory_bytes * 0.9 or death.signal == KILL:
        held = f"it held {death.memory_bytes >> 20} MiB when it ended, and the limit is {limit.memory_bytes >> 20}"
        more = f"It needed more memory than there is for it: {held} MiB. {advice.LARGE}"
        return Unanswered(Verdict.OUT_OF_MEMORY, more)
    if death.signal or death.code == ABORTED:
        return Unanswered(Verdict.CRASHED, f"The process died on signal {_signal_name(death)}. {advice.DIED}")
    return Unanswered(
        Verdict.CRASHED,
        f"The process ended with exit code {death.code} before it answered; do not call exit() or os._exit().",
    )


def _signal_name(death: Death) -> str:
    try:
        return signal.Signals(death.signal or signal.SIGABRT).name
    except ValueError:
        return str(death.signal)
