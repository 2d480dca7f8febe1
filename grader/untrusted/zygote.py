"""The zygote: a warm interpreter that forks workers. Runs on the untrusted side: no answers, no labels, no tokens.

It makes the ground of the sandbox first (where the blueprint has one), then
imports torch once, with one thread, and then does nothing but fork and reap. It refuses to fork with more than one
thread, because a fork copies only the calling one and the copied locks of the others are never released: after a single
two-thread operation the children hang every time.

A worker gets three descriptors: the channel to the judge, the log that becomes its stdout and stderr, and the status
socket, which is the zygote's alone. The judge learns on it the worker's pid, with a descriptor to kill it by (a number
means nothing in another PID namespace), and how the worker ended.
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
import traceback
import warnings
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from grader.sandbox import plain
from grader.sandbox.blueprint import Setup, WallFailed, to_report

if TYPE_CHECKING:
    from grader.sandbox.ground import Ground

DESCRIPTORS = 3
LAYERS = "--layers"  # no question has a network
INSTALL = (
    "Packages are read from {} alone where student code runs: install it there, not with `pip install --user`, and not "
    "somewhere that PYTHONPATH or a .pth file names."
)
FEW = "--few"  # too few workers are to come for what makes each cheaper and takes a second


def main(arguments: list[str]) -> None:
    """`python -m` this, with `FD [--layers] [--few] MODULE...`, serves a control socket."""
    control = socket.socket(fileno=int(arguments[0]))
    try:
        ground = make_ground(Setup.unpack(control.recv(65536)))
    except (WallFailed, OSError) as e:
        control.send(json.dumps({"failed": str(e)}).encode())
        os._exit(1)
    options = {a for a in arguments[1:] if a.startswith("--")}
    modules = [a for a in arguments[1:] if a not in options]
    try:
        warm(modules, networks=LAYERS not in options, few=FEW in options)
    except ImportError as e:
        control.send(json.dumps({"lacking": f"{e}. {INSTALL.format(sys.prefix)}"}).encode())
        os._exit(1)
    control.send(json.dumps({"ready": os.getpid()}).encode())
    serve(control, ground)
    os._exit(0)  # libraries that tidy up at exit have much to say about it


def make_ground(setup: Setup) -> Ground | None:
    """What workers are shut in by, if anything. Comes before torch is imported: the process may fork here."""
    if not setup.blueprint.walls:
        return None
    from grader.sandbox import linux  # no other system can import it
    from grader.sandbox.ground import prepare

    ground = prepare(setup)
    linux.warm(ground)
    return ground


def warm(modules: list[str], *, networks: bool, few: bool) -> None:
    """Import, run each kernel once, export once where there are networks (that takes seconds), and freeze it all.

    Garbage stays: to look for it takes an eighth of that time, and where it is taken away it leaves holes in pages, of
    which each worker has to copy those that it writes into.
    """
    gc.disable()
    from grader.untrusted import worker  # torch comes with it, and may come only now

    for name in modules:
        import_module(name)
    worker.warm(networks=networks)
    worker.rehearse()
    gc.freeze()
    gc.enable()
    if sys.platform.startswith("linux") and not few:
        from grader.sandbox import huge  # no other system can import it

        huge.code(huge.run_by(worker.exercise))
        huge.heap()


def serve(control: socket.socket, ground: Ground | None) -> None:
    """Fork on request and report each end, until the judge closes the control socket.

    A worker whose own judge is gone, which closes the worker's status socket, is killed: it may never look up again.
    """
    wake, waker = socket.socketpair()
    for end in (wake, waker):
        end.setblocking(False)
    signal.set_wakeup_fd(waker.fileno())
    signal.signal(signal.SIGCHLD, _noted)
    living: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([control, wake, *living.values()], [], [])
        if wake in ready:
            with contextlib.suppress(BlockingIOError):
                wake.recv(4096)
            reap(living)
        for pid in [pid for pid, judge in living.items() if judge in ready]:
            living.pop(pid).close()
            kill(pid)
        if control in ready and not fork(control, living, ground):
            break
    for pid in living:
        kill(pid)


def kill(pid: int) -> None:
    """SIGKILL to a worker's process group. One that leads none yet has run no student code, and ends by itself."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _noted(_signal: int, _frame: FrameType | None) -> None:
    """A child ended; the wake-up socket says so to the loop."""


def fork(control: socket.socket, living: dict[int, socket.socket], ground: Ground | None) -> bool:
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
    uid = next(ground.uids, None) if ground else None
    pid = _fork(ground)
    if pid == 0:
        become_worker(channel, log, json.loads(data), ground, uid)
    os.close(channel)
    os.close(log)
    living[pid] = socket.socket(fileno=status)
    _tell_pid(living[pid], pid)
    return True


def _fork(ground: Ground | None) -> int:
    if ground is None:
        return os.fork()
    from grader.sandbox import linux  # no other system can import it

    return linux.fork(ground)


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
        kill(pid)  # what it left behind in its group
        if pid in living:  # process 1 of a namespace also inherits orphans
            with living.pop(pid) as judge:
                _tell(judge, death)


def _tell_pid(judge: socket.socket, pid: int) -> None:
    """The pid, and on Linux a descriptor that names this process and no later one."""
    line = json.dumps({"pid": pid}).encode() + b"\n"
    handles = [os.pidfd_open(pid)] if hasattr(os, "pidfd_open") else []
    with contextlib.suppress(OSError):  # the judge may have gone meanwhile
        socket.send_fds(judge, [line], handles)
    for handle in handles:
        os.close(handle)


def _tell(judge: socket.socket, value: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # the judge may have gone meanwhile
        judge.sendall(json.dumps(value).encode() + b"\n")


def become_worker(channel: int, log: int, plan: dict[str, Any], ground: Ground | None, uid: int | None) -> NoReturn:
    """The forked child: shut in, then serve."""
    from grader.untrusted import worker

    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if ground is None:
            sock = plain.enter(channel, log, plan["scratch"], plan["memory_bytes"], plan["cpu_seconds"])
            report: dict[str, Any] = {}
        else:
            sock, report = _shut_in(ground, uid, channel, log, plan)
        worker.serve(sock.recv, sock.sendall, report)
        code = 0
    except BaseException:  # noqa: BLE001  # student code cannot come this far: worker.serve answers for it
        os.write(plain.STDERR, traceback.format_exc().encode())
    finally:
        os._exit(code)  # no clean-up of the zygote's, and no atexit of the submission


def _shut_in(
    ground: Ground, uid: int | None, channel: int, log: int, plan: dict[str, Any]
) -> tuple[socket.socket, dict[str, Any]]:
    """Build every wall, try it from inside, and say what stood: the body of "ready"."""
    from grader.sandbox import linux

    linux.enter(ground, uid, channel, log, linux.Limits(plan["memory_bytes"], plan["cpu_seconds"]))
    report = {"isolation": to_report(linux.verify(ground))}
    return socket.socket(fileno=plain.CHANNEL), report


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.modules["grader.untrusted.zygote"] = sys.modules["__main__"]
    main(sys.argv[1:])
