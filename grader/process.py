"""The trusted side's handles on the untrusted processes: the zygote, and a worker to ask, time and kill.

Theory of operation. The zygote is a fresh interpreter with a clean environment that has torch imported and holds no
answer; it forks a worker per request over a control socket. Each worker has three descriptors of ours: a channel (wire
messages), a log (its stdout and stderr, capped, only ever shown) and a status socket on which the zygote tells the pid
and, once the worker is dead, how it died. Where there is no fork (Windows, macOS), a worker is a fresh interpreter with
pipes, and everything else is the same.

Time is enforced here, from outside: when a reply is late, the worker's process group is killed and the channel is cut,
so that nothing that still holds it can keep us waiting.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from grader import wire
from grader.errors import SandboxUnavailable, WorkerLost
from grader.model import Verdict
from grader.sandbox import Sandbox
from grader.sandbox.blueprint import Blueprint, Setup, Trap, from_report, level_of

START_SECONDS = 120.0  # an import of torch on a machine that is busy with other work
GRACE_SECONDS = 5.0
DYING_SECONDS = 2.0  # from the end of a process's channel to the end of the process, on a busy machine
CUT = "It cut its connection to the judge instead of answering."
STOPS = frozenset(getattr(signal, name) for name in ("SIGKILL", "SIGXCPU") if hasattr(signal, name))


@dataclass(frozen=True)
class Allowance:
    """What a worker may use. `memory_bytes` is its data segment, torch included."""

    memory_bytes: int
    output_bytes: int
    cpu_seconds: int


@dataclass(frozen=True)
class Death:
    """How a worker ended: `signal` 0 and an exit `code`, or a `signal`. `memory_bytes` is its peak resident size."""

    code: int
    signal: int
    memory_bytes: int
    cpu_seconds: float


DEFAULT_CAPS = wire.Caps()


class Unanswered(Exception):
    """The student's code did not answer. `verdict` says why; the text is for the student, `detail` is folded away."""

    def __init__(self, verdict: Verdict, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.verdict = verdict
        self.detail = detail


class Channel(Protocol):
    """A stream of bytes with the other side, with a deadline in time.monotonic() seconds."""

    def send(self, data: bytes, deadline: float) -> None:
        """All of `data`. Raises TimeoutError, or OSError when the other side is gone."""

    def receive(self, size: int, deadline: float) -> bytes:
        """At most `size` bytes, b"" at the end. Raises TimeoutError."""

    def close(self) -> None:
        """Cut it: a later call on either side ends at once."""


class SocketChannel:
    """A Unix socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def send(self, data: bytes, deadline: float) -> None:
        """All of `data`; sendall's time-out is over the whole."""
        self._socket.settimeout(_left(deadline))
        self._socket.sendall(data)

    def receive(self, size: int, deadline: float) -> bytes:
        """The next bytes."""
        self._socket.settimeout(_left(deadline))
        return self._socket.recv(size)

    def close(self) -> None:
        """Shut down both ways, then close."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class PipeChannel:
    """A fresh process's stdin and stdout. A watchdog kills the process at the deadline, which ends a blocked read."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @contextlib.contextmanager
    def _watched(self, deadline: float) -> Iterator[None]:
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            _kill_tree(self._process.pid)
            self._process.kill()

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


class Worker:
    """One untrusted process. `ask` it; after an `Unanswered` it is dead."""

    def __init__(self, channel: Channel, life: Life, allowance: Allowance) -> None:
        self._channel = channel
        self._life = life
        self._allowance = allowance
        self.alive = True
        self.ready = self._receive(time.monotonic() + START_SECONDS, DEFAULT_CAPS)

    def ask(self, request: wire.Message, wall_seconds: float, caps: wire.Caps = DEFAULT_CAPS) -> wire.Message:
        """The reply to a request, within `wall_seconds`. Raises `Unanswered`; the worker is dead then."""
        if not self.alive:
            raise WorkerLost("a dead worker was asked")
        deadline = time.monotonic() + wall_seconds
        try:
            self._channel.send(wire.pack(request), deadline)
            return self._receive(deadline, caps)
        except TimeoutError:
            self.end()
            raise Unanswered(
                Verdict.TIMED_OUT,
                f"No answer within {wall_seconds:g} seconds, so it was stopped. "
                f"Look for an endless loop, or for training that starts when the file is read.",
            ) from None
        except (wire.Closed, OSError):
            died = self._life.dies(DYING_SECONDS)  # before we kill it ourselves, or every death would be by SIGKILL
            death = self.end()
            raise (self._death(death) if died else Unanswered(Verdict.FAILED, CUT)) from None
        except wire.Bad as e:
            self.end()
            raise Unanswered(Verdict.FAILED, f"The answer could not be read: {e}.") from None

    def _receive(self, deadline: float, caps: wire.Caps) -> wire.Message:
        return wire.read(lambda size: self._channel.receive(size, deadline), caps)

    def _death(self, death: Death) -> Unanswered:
        """A sentence on how the process ended."""
        limit = self._allowance.memory_bytes
        # Process 1 of a namespace gets SIGKILL for SIGXCPU; and the kernel counts ticks, the account has fractions.
        if death.signal in STOPS and death.cpu_seconds > self._allowance.cpu_seconds / 2:
            return Unanswered(Verdict.TIMED_OUT, f"It used more than {self._allowance.cpu_seconds} CPU seconds.")
        if death.memory_bytes > limit * 0.9 or death.signal == signal.SIGKILL:
            return Unanswered(Verdict.OUT_OF_MEMORY, f"It needed more memory than the {limit >> 20} MiB allowed.")
        if death.signal:
            return Unanswered(Verdict.CRASHED, f"The process died on signal {_signal_name(death.signal)}.")
        return Unanswered(
            Verdict.CRASHED,
            f"The process ended with exit code {death.code} before it answered; do not call exit() or os._exit().",
        )

    def end(self) -> Death:
        """Kill it, if it lives, and wait until it is dead."""
        self.alive = False
        self._life.kill()
        self._channel.close()
        return self._life.wait()

    @property
    def output(self) -> str:
        """What it printed so far, capped and decoded for display only."""
        return self._life.output().decode("utf-8", "replace")


class Zygote:
    """The process that forks workers. `prelude` names the modules that it imports beforehand.

    Its workers stand behind the walls of `sandbox`, and each shows anew that it reaches that level. `secrets` are
    folders that each worker must fail to list. Raises `SandboxUnavailable`.
    """

    def __init__(
        self,
        scratch: Path,
        prelude: tuple[str, ...] = ("torch",),
        sandbox: Sandbox | None = None,
        secrets: tuple[Path, ...] = (),
    ) -> None:
        self._scratch = scratch
        self._lock = threading.Lock()
        self._trap = Trap(secrets)
        blueprint = sandbox.blueprint if sandbox else Blueprint()
        self._level = sandbox.isolation.level if sandbox and blueprint.walls else 0
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = ours
        with theirs:
            try:
                self._process = self._started(theirs.fileno(), prelude, blueprint)
            except OSError as e:
                ours.close()
                self._trap.close()
                raise WorkerLost(f"the zygote did not start: {e}") from e
        self.pid = self._process.pid
        ours.settimeout(START_SECONDS)
        try:
            ours.send(Setup(blueprint, str(scratch), self._trap.bait).pack())
            answer = json.loads(ours.recv(65536))
        except (OSError, ValueError) as e:
            self.close()
            raise WorkerLost(f"the zygote did not start: {e!r}") from e
        if "ready" not in answer:
            self.close()
            raise SandboxUnavailable(f"the sandbox could not be built: {answer.get('failed')}")

    def _started(self, fd: int, prelude: tuple[str, ...], blueprint: Blueprint) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*blueprint.prefix, *_python(), "-m", "grader.zygote", str(fd), *prelude],
            pass_fds=[fd],
            env=clean_environment(self._scratch),
            cwd=self._scratch,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def worker(self, allowance: Allowance) -> Worker:
        """A fresh worker."""
        channel, channel_end = socket.socketpair()
        status, status_end = socket.socketpair()
        log, log_end = os.pipe()
        plan = {
            "memory_bytes": allowance.memory_bytes,
            "cpu_seconds": allowance.cpu_seconds,
            "scratch": str(self._scratch),
        }
        fds = array.array("i", [channel_end.fileno(), status_end.fileno(), log_end])
        try:
            with self._lock:
                self._control.sendmsg([json.dumps(plan).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        except OSError as e:
            for end in (channel, status):
                end.close()
            os.close(log)
            raise WorkerLost(f"the zygote is gone: {e}") from e
        finally:
            channel_end.close()
            status_end.close()
            os.close(log_end)
        life = ForkedLife(status, log, allowance.output_bytes)
        return self._verified(_started(SocketChannel(channel), life, allowance))

    def _verified(self, worker: Worker) -> Worker:
        """The worker, if its own evidence, given before any student code ran, shows the level that was promised."""
        evidence = from_report(worker.ready.body["isolation"]) if self._level else ()
        level = level_of(e.wall for e in evidence if e.verified)
        if level < self._level:
            worker.end()
            breaches = sorted({act for e in evidence if e.applied for act in e.breaches})
            raise SandboxUnavailable(
                f"a worker was to stand at isolation level {self._level} and stands at {level}: "
                f"it could {', '.join(breaches) or 'do more than it may'}. It was stopped before any student code ran."
            )
        return worker

    def close(self) -> None:
        """End it; its workers die with it."""
        self._trap.close()
        self._control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS)
        self._process.kill()
        self._process.wait()


class Fresh:
    """Where a zygote cannot fork: each worker is a new interpreter."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch

    def worker(self, allowance: Allowance) -> Worker:
        """A fresh worker."""
        log = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the worker
        process = subprocess.Popen(
            [*_python(), "-m", "grader.zygote", "--fresh", str(allowance.memory_bytes), str(allowance.cpu_seconds)],
            env=clean_environment(self._scratch),
            cwd=self._scratch,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=os.name == "posix",
        )
        return _started(PipeChannel(process), FreshLife(process, log, allowance.output_bytes), allowance)

    def close(self) -> None:
        """Nothing is kept."""


Source = Zygote | Fresh
"""What workers come from."""


def _started(channel: Channel, life: Life, allowance: Allowance) -> Worker:
    """A worker that has said "ready"; before that, a failure is ours."""
    try:
        return Worker(channel, life, allowance)
    except (wire.Closed, wire.Bad, OSError) as e:
        life.kill()
        channel.close()
        with contextlib.suppress(WorkerLost):
            life.wait()
        raise WorkerLost(f"a worker did not start: {e!r}; it said: {life.output()[-500:]!r}") from e


class ForkedLife:
    """A worker that a zygote forked: its status comes by socket, its output by a pipe that a thread empties."""

    def __init__(self, status: socket.socket, log: int, cap: int) -> None:
        self._status = status
        status.settimeout(START_SECONDS)
        self._messages = status.makefile("rb")
        self._pid: int | None = None
        self._handle: int | None = None
        self._death: Death | None = None
        self._log = CappedLog(log, cap)

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
                    _kill_tree(pid)
                else:
                    signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def dies(self, seconds: float) -> bool:
        """Whether the zygote has something to say of its end."""
        with contextlib.suppress(OSError, ValueError):
            self._know_pid()
            return bool(select.select([self._status], [], [], seconds)[0])
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
                self._messages.close()
                self._status.close()
                if self._handle is not None:
                    os.close(self._handle)
                    self._handle = None
        return self._death

    def output(self) -> bytes:
        """Its output so far."""
        return self._log.read(finished=self._death is not None)


class FreshLife:
    """A worker that is our own child, its output in a file. The file is read once the child is dead: they share a place
    in it, and reading would move the child's."""

    def __init__(self, process: subprocess.Popen[bytes], log: IO[bytes], cap: int) -> None:
        self._process = process
        self._log = log
        self._cap = cap
        self._output = b""

    def kill(self) -> None:
        """SIGKILL to its process group; where there are none, to it."""
        _kill_tree(self._process.pid)
        self._process.kill()

    def dies(self, seconds: float) -> bool:
        """Whether our child ends by itself."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.poll() is not None

    def wait(self) -> Death:
        """How our child ended."""
        code = self._process.wait()
        if not self._log.closed:
            self._log.seek(0)
            self._output = _capped(self._log.read(self._cap + 1), self._cap)
            self._log.close()
        return Death(max(code, 0), max(-code, 0), 0, 0.0)

    def output(self) -> bytes:
        """The head of its log file; nothing before its end."""
        return self._output


class CappedLog:
    """Empties a pipe so that a writer never blocks, and keeps its first `cap` bytes."""

    def __init__(self, fd: int, cap: int) -> None:
        self._fd = fd
        self._cap = cap
        self._data = bytearray()
        self._stop_reader, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        """Until the writers are gone, or `read(finished=True)` says that what is left will not grow."""
        os.set_blocking(self._fd, False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._fd, selectors.EVENT_READ)
            selector.register(self._stop_reader, selectors.EVENT_READ)
            open_ = True
            while open_:
                ready = {key.fd for key, _ in selector.select()}
                open_ = self._take() and self._stop_reader not in ready
        os.close(self._fd)
        os.close(self._stop_reader)

    def _take(self) -> bool:
        """Read what is there; False at the end."""
        for _ in range(64):  # a flood may not keep us from seeing the stop
            try:
                part = os.read(self._fd, 1 << 16)
            except BlockingIOError:
                return True
            if not part:
                return False
            self._data += part[: max(self._cap + 1 - len(self._data), 0)]
        return True

    def read(self, *, finished: bool) -> bytes:
        """What was kept; `finished` first takes the rest."""
        if finished and self._stop is not None:
            os.close(self._stop)
            self._stop = None  # type: ignore[assignment]  # closed exactly once
            self._thread.join()
        return _capped(bytes(self._data), self._cap)


def _capped(data: bytes, cap: int) -> bytes:
    return data if len(data) <= cap else data[:cap] + f"\n[output cut at {cap >> 10} KiB]".encode()


def _left(deadline: float) -> float:
    """Seconds to a deadline; never 0, which would mean "do not block"."""
    return max(deadline - time.monotonic(), 1e-3)


def _kill_tree(pid: int) -> None:
    """SIGKILL to the process group of `pid`; each worker leads one."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _python() -> list[str]:
    """This interpreter: nothing imported from the working folder, no user site, no .pyc written."""
    return [sys.executable, "-P", "-s", "-B"]


def clean_environment(scratch: Path) -> dict[str, str]:
    """The whole environment of an untrusted process: what Python and torch need to start, and no more.

    One thread, and passive waiting: a zygote that has run a two-thread operation forks children that hang.
    """
    root = Path(__file__).resolve().parent.parent
    keep = {k: v for k, v in os.environ.items() if k in ("SYSTEMROOT", "LD_LIBRARY_PATH", "PATH")}
    return {
        **keep,
        "PYTHONPATH": str(root),
        "PYTHONHASHSEED": "0",
        "PYTHONIOENCODING": "utf-8",
        "HOME": str(scratch),
        "LOGNAME": "student",  # there is no /etc/passwd to look a name up in
        "TMPDIR": str(scratch),
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
        "TORCHDYNAMO_DISABLE": "1",
        "TORCHINDUCTOR_CACHE_DIR": str(scratch),  # else it looks for a folder to write in, which the zygote has not
        "MPLBACKEND": "Agg",
    }
