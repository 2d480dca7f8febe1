"""The zygote: a warm interpreter that forks workers. Runs on the untrusted side: no answers, no labels, no tokens.

It imports torch once, with one thread, and then does nothing but fork and reap. It refuses to fork with more than one
thread, because a fork copies only the calling one and the copied locks of the others are never released: after a single
two-thread operation the children hang every time.

A worker gets three descriptors and keeps no other: the channel to the judge, the status socket (closed in the child
before student code), and the log that becomes its stdout and stderr.
"""

from __future__ import annotations

import array
import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
import warnings
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from grader import worker
from grader.sandbox import plain

DESCRIPTORS = 3


def main(arguments: list[str]) -> None:
    """`python -m grader.zygote FD MODULE...` serves a control socket; `--fresh MEMORY CPU` is one worker on pipes."""
    if arguments[0] == "--fresh":
        fresh(int(arguments[1]), int(arguments[2]))
    control = socket.socket(fileno=int(arguments[0]))
    warm(arguments[1:])
    control.send(json.dumps({"ready": os.getpid()}).encode())
    serve(control)
    os._exit(0)  # libraries that tidy up at exit have much to say about it


def warm(modules: list[str]) -> None:
    """Import, run each kernel once, export once (the first costs a second), and freeze what is there."""
    for name in modules:
        import_module(name)
    worker.warm()
    gc.collect()
    gc.freeze()


def serve(control: socket.socket) -> None:
    """Fork on request and report each end, until the judge closes the control socket."""
    wake, waker = socket.socketpair()
    for end in (wake, waker):
        end.setblocking(False)
    signal.set_wakeup_fd(waker.fileno())
    signal.signal(signal.SIGCHLD, _noted)
    living: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([control, wake], [], [])
        if wake in ready:
            with contextlib.suppress(BlockingIOError):
                wake.recv(4096)
            reap(living)
        if control in ready and not fork(control, living):
            break
    for pid in living:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def _noted(_signal: int, _frame: FrameType | None) -> None:
    """A child ended; the wake-up socket says so to the loop."""


def fork(control: socket.socket, living: dict[int, socket.socket]) -> bool:
    """Serve one request for a worker; False when the judge is gone."""
    data, ancillary, _, _ = control.recvmsg(65536, socket.CMSG_LEN(DESCRIPTORS * array.array("i").itemsize))
    if not data:
        return False
    fds = array.array("i")
    for _, _, part in ancillary:
        fds.frombytes(part)
    channel, status, log = fds
    if threads() != 1:
        raise SystemExit(f"the zygote has {threads()} threads: a forked worker would hang")
    pid = os.fork()
    if pid == 0:
        become_worker(channel, log, json.loads(data))
    os.close(channel)
    os.close(log)
    living[pid] = socket.socket(fileno=status)
    _tell(living[pid], {"pid": pid})
    return True


def threads() -> int:
    """How many threads this process has."""
    return len(list(Path("/proc/self/task").iterdir()))


def reap(living: dict[int, socket.socket]) -> None:
    """Collect every child that has ended, and tell its judge how."""
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        code = os.waitstatus_to_exitcode(status)
        death = {
            "code": max(code, 0),
            "signal": max(-code, 0),
            "memory_bytes": usage.ru_maxrss * 1024,
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
        }
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)  # what it left behind in its group
        with living.pop(pid) as judge:
            _tell(judge, death)


def _tell(judge: socket.socket, value: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # the judge may have gone meanwhile
        judge.sendall(json.dumps(value).encode() + b"\n")


def become_worker(channel: int, log: int, plan: dict[str, Any]) -> NoReturn:
    """The forked child: shut in, then serve."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        sock = plain.enter(channel, log, plan["scratch"], plan["memory_bytes"], plan["cpu_seconds"])
        worker.serve(sock.recv, sock.sendall)
        code = 0
    finally:
        os._exit(code)  # no clean-up of the zygote's, and no atexit of the submission


def fresh(memory_bytes: int, cpu_seconds: int) -> NoReturn:
    """One worker in a fresh interpreter, its wire on what were stdin and stdout."""
    reader, writer = plain.take_pipes()
    plain.limit(memory_bytes, cpu_seconds)
    import_module("torch")
    worker.warm()
    worker.serve(lambda size: os.read(reader, size), lambda data: _write_all(writer, data))
    os._exit(0)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.modules["grader.zygote"] = sys.modules["__main__"]
    main(sys.argv[1:])
