"""What a worker comes from: a zygote that forks it. The trusted side's handle on it.

A zygote is a fresh interpreter with a clean environment that has torch imported and holds no answer; it forks a worker
per request over a control socket. Where nothing can be forked: interpreter.py.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from grader.errors import SandboxUnavailable, WorkerLost
from grader.processes.channel import SocketChannel
from grader.processes.life import START_SECONDS, ForkedLife
from grader.processes.preludes import PLAIN
from grader.sandbox import Sandbox
from grader.sandbox.blueprint import Blueprint, Setup, Trap, from_report, level_of

if TYPE_CHECKING:
    from grader.processes.process import Allowance, Worker

GRACE_SECONDS = 5.0
LAYERS, FEW = "--layers", "--few"
"""The zygote's options: no question has a network; it is to have few workers."""
COMPILER = "torch._dynamo"
"""What torch loads to write a network down: most of the time that the first one takes."""


class Lent:
    """A zygote that another process has started, and ends: its control socket, pid, and the level that it promised."""

    def __init__(self, scratch: Path, control: socket.socket, pid: int, level: int) -> None:
        self._scratch = scratch
        self._control = control
        self._level = level
        self._lock = threading.Lock()
        self.pid = pid

    @property
    def alive(self) -> bool:
        """Whether it can fork: after "ready" it says nothing, so all that there is to read is its end."""
        return self._control.fileno() >= 0 and not select.select([self._control], [], [], 0)[0]

    def worker(self, allowance: Allowance) -> Worker:
        """A fresh worker. Raises `WorkerLost`."""
        from grader.processes.process import started  # torch comes with it, and a zygote is started before that

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
        return self._verified(started(SocketChannel(channel, life.until), life, allowance))

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
        """Give it back."""
        self._control.close()


class Zygote(Lent):
    """The process that forks workers. `prelude` names the modules that it imports beforehand.

    Its workers stand behind the walls of `sandbox`, and each shows anew that it reaches that level. `secrets` are
    folders that each worker must fail to list. Without `networks` it does not practise writing a network down, which
    takes seconds: for questions that have none. For `few` workers it leaves out what pays for many alone. Without
    `wait` it gets warm while others work; `ready` waits for it. Raises `SandboxUnavailable` and `WorkerLost`.
    """

    def __init__(
        self,
        scratch: Path,
        prelude: tuple[str, ...] = PLAIN,
        sandbox: Sandbox | None = None,
        secrets: tuple[Path, ...] = (),
        *,
        networks: bool = True,
        few: bool = False,
        wait: bool = True,
    ) -> None:
        blueprint = sandbox.blueprint if sandbox else Blueprint()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        super().__init__(scratch, ours, 0, sandbox.isolation.level if sandbox and blueprint.walls else 0)
        self._trap = Trap(secrets)
        options = [option for option, is_wanted in ((LAYERS, not networks), (FEW, few)) if is_wanted]
        with theirs:
            try:
                self._process = self._started(theirs.fileno(), (*options, *prelude), blueprint)
            except OSError as e:
                ours.close()
                self._trap.close()
                raise WorkerLost(f"the zygote did not start: {e}") from e
        self.pid = self._process.pid
        with contextlib.suppress(OSError):  # of one that has ended already `ready` tells
            ours.send(Setup(blueprint, str(scratch), self._trap.bait).pack())
        if wait:
            self.ready()

    def _started(self, fd: int, prelude: tuple[str, ...], blueprint: Blueprint) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*blueprint.prefix, *python(), "-m", "grader.untrusted.zygote", str(fd), *prelude],
            pass_fds=[fd],
            env=clean_environment(self._scratch),
            cwd=self._scratch,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def ready(self) -> None:
        """Wait until it can fork; once."""
        self._control.settimeout(START_SECONDS)
        try:
            answer = json.loads(self._control.recv(65536) or '{"lacking": "it ended before it could answer."}')
        except (OSError, ValueError) as e:
            self.close()
            raise WorkerLost(f"the zygote did not start: {e!r}") from e
        if "lacking" in answer:
            self.close()
            raise WorkerLost(f"the zygote did not start: {answer['lacking']}")
        if "ready" not in answer:
            self.close()
            raise SandboxUnavailable(f"the sandbox could not be built: {answer.get('failed')}")

    def lend(self, to: socket.socket) -> None:
        """Send what makes it `Lent` to another process. Raises OSError when that is gone."""
        socket.send_fds(to, [json.dumps({"pid": self.pid, "level": self._level}).encode()], [self._control.fileno()])

    def close(self) -> None:
        """End it; its workers die with it."""
        self._trap.close()
        self._control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS)
        self._process.kill()
        self._process.wait()


def python() -> list[str]:
    """This interpreter: nothing imported from the working folder, no user site, no .pyc written."""
    return [sys.executable, "-P", "-s", "-B"]


KEPT = ("SYSTEMROOT", "LD_LIBRARY_PATH", "PATH", "MALLOC_ARENA_MAX", "MALLOC_TRIM_THRESHOLD_")


def clean_environment(scratch: Path) -> dict[str, str]:
    """The whole environment of an untrusted process: what Python and torch need to start, and no more.

    One thread, and passive waiting: a zygote that has run a two-thread operation forks children that hang.
    """
    root = Path(__file__).resolve().parents[2]
    keep = {k: v for k, v in os.environ.items() if k in KEPT}
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
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # few, large pages: what a fork copies of them is little
        "TORCHDYNAMO_DISABLE": "1",
        "TORCHINDUCTOR_CACHE_DIR": str(scratch),  # else it looks for a folder to write in, which the zygote has not
        "MPLBACKEND": "Agg",
    }
