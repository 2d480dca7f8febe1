"""The Linux walls, one function each, in the order in which they are built. Standard library only.

Theory of operation. Two processes build. The zygote, before it imports anything, makes the ground: namespaces of its
own and an empty file system that holds the interpreter, the libraries and this package, read-only, and nothing else.
So neither it nor a worker can as much as name a reference, a data set or another student's file. Then it forks a worker
for each request, and the worker builds the rest around itself, probes every wall by trying what it forbids, and only
then says "ready" and runs student code.

A worker is process 1 of a PID namespace with one fork, not two (a fork of a warm zygote is the dear part): the zygote
unshares the PID namespace of its next child, forks, and goes back. That needs CAP_SYS_ADMIN over its own PID namespace,
so the zygote is itself process 1 of one, in a user namespace where it has no privilege outside. To kill process 1 is to
kill the whole tree: the kernel reports its death only after all others in it are gone.

The order matters. Descriptors first, for a descriptor passes every later wall. Mounts before Landlock, which forbids
them. The user id before the limits, which count per user, and before the parent-death signal, which a change of user
clears. Capabilities fall when nothing needs them any more; seccomp and Landlock need no_new_privs; seccomp is last
because it refuses the calls that the others are made of.

Nothing here is best effort. A wall that is in the blueprint is built or `WallFailed` ends the worker; one that is not
in it is not built, and the level that the probes find is lower.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import resource
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from grader.sandbox import kernel, landlock, plain, probe, seccomp
from grader.sandbox.blueprint import ABORTED, Evidence, Wall, WallFailed
from grader.sandbox.ground import PLAIN_FILES, SCRATCH_BYTES, SHARED_MEMORY, Ground, building, mount_memory

FILE_BYTES = SCRATCH_BYTES
OPEN_FILES = 256
THREADS = 128


@dataclass(frozen=True)
class Limits:
    """What one worker may use. `memory_bytes` is its data segment, what the zygote had included."""

    memory_bytes: int
    cpu_seconds: int


def fork(ground: Ground) -> int:
    """Fork a worker, process 1 of a PID namespace where there are any: 0 in it, its process id in the zygote."""
    if ground.home is None:
        return os.fork()
    kernel.unshare(kernel.NEW_PID)
    try:
        pid = os.fork()
    except OSError:
        kernel.setns(ground.home, kernel.NEW_PID)
        raise
    if pid:
        kernel.setns(ground.home, kernel.NEW_PID)
    return pid


def enter(ground: Ground, uid: int | None, channel: int, log: int, limits: Limits) -> None:
    """Build every wall of the blueprint around this process, in order. Raises `WallFailed`."""
    walls = ground.setup.blueprint.walls
    scratch = ground.setup.scratch

    def build(wall: Wall, step: Callable[..., object], *arguments: object) -> None:
        if wall in walls:
            with building(wall):
                step(*arguments)

    plain.place_descriptors(channel, log)
    build(Wall.DESCRIPTORS, kernel.close_from, plain.CHANNEL + 1)
    os.setsid()
    build(Wall.NETWORK, kernel.unshare, kernel.NEW_NET)
    build(Wall.IPC, kernel.unshare, kernel.NEW_IPC)
    build(Wall.HOST_NAME, kernel.unshare, kernel.NEW_UTS)
    build(Wall.MOUNTS, own_mounts, scratch, Wall.PROCESSES in walls)
    os.chdir(scratch)
    _die_first()
    if Wall.PROCESSES in walls:
        kernel.exit_on(ABORTED)  # process 1 would not die of it, and would seem to die of another
    build(Wall.UID, own_uid, uid)
    _die_with(ground)
    build(Wall.LIMITS, limit, limits, Wall.UID in walls)
    build(Wall.CAPABILITIES, kernel.drop_capabilities)
    build(Wall.NO_NEW_PRIVILEGES, kernel.prctl, kernel.SET_NO_NEW_PRIVS, 1)
    build(Wall.LANDLOCK, landlock.restrict, ground.readable, (scratch, SHARED_MEMORY) if Wall.MOUNTS in walls else ())
    build(Wall.SECCOMP, filter_calls, walls)
    _still_reads(ground.readable, Wall.UID if Wall.UID in walls else Wall.LANDLOCK)


def _still_reads(paths: Iterable[str], wall: Wall) -> None:
    """A wall that also keeps the interpreter out would make every later import of a student's fail."""
    for path in paths:
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except PermissionError as e:
            raise WallFailed(wall, f"behind it {path} cannot be read; make it readable for every user") from e


def verify(ground: Ground) -> tuple[Evidence, ...]:
    """Try every wall from inside. Raises ValueError when the setup has no bait to go for."""
    if ground.setup.bait is None:
        raise ValueError("a sandbox cannot be verified without bait")
    return probe.probe(ground.setup.blueprint.walls, probe.Stakes(ground.setup.bait, ground.namespaces, ground.uid))


def own_mounts(scratch: str, new_proc: bool) -> None:
    """A mount namespace with an empty, small, memory-backed scratch and /dev/shm, and a /proc of this worker alone."""
    kernel.unshare(kernel.NEW_MOUNT)
    kernel.mount("none", "/", None, kernel.MOUNT_RECURSIVE | kernel.MOUNT_PRIVATE)
    mount_memory(scratch)
    mount_memory(SHARED_MEMORY)
    if new_proc:
        kernel.mount("proc", "/proc", "proc", PLAIN_FILES)


def _die_first() -> None:
    """When the machine runs out of memory, let the kernel take a worker rather than the judge. Not a wall."""
    with contextlib.suppress(OSError):  # some containers have /proc read-only
        file = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
        os.write(file, b"1000")
        os.close(file)


def _die_with(ground: Ground) -> None:
    """End when the zygote ends. Raises OSError when it has ended meanwhile: the kernel would not say so any more."""
    kernel.prctl(kernel.SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if ground.home is None and os.getppid() != ground.parent:  # of process 1 nobody is the parent, but it dies with it
        raise OSError(errno.ESRCH, "the zygote is gone")


def own_uid(uid: int) -> None:
    """Become a user whom nobody else is, in no group."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def limit(limits: Limits, own_uid: bool) -> None:
    """Limits on memory, processor time, files and threads. They cannot be raised again without a capability.

    Threads are counted per user, so only a user of the worker's own can have a limit on them; memory bounds them too.
    """
    wanted = {
        resource.RLIMIT_DATA: limits.memory_bytes,
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_FSIZE: FILE_BYTES,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_RTPRIO: 0,
        resource.RLIMIT_SIGPENDING: OPEN_FILES,
    }
    if own_uid:
        wanted[resource.RLIMIT_NPROC] = THREADS
    for name, value in wanted.items():
        _, hard = resource.getrlimit(name)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(name, (value, value))


def filter_calls(walls: frozenset[Wall]) -> None:
    """Load the filter of system calls; without PID and mount namespaces it refuses more.

    Raises OSError where the machine is one that there is no list of calls for.
    """
    own_pid = None if Wall.PROCESSES in walls else os.getpid()
    kernel.load_filter(_program(own_pid, Wall.MOUNTS in walls))


@functools.cache
def _program(own_pid: int | None, private_files: bool) -> bytes:
    if kernel.MACHINE not in seccomp.ARCHITECTURES:
        raise OSError(0, f"there is no list of system calls for {kernel.MACHINE}")
    return seccomp.program(kernel.MACHINE, own_pid, private_files=private_files)


def warm(ground: Ground) -> None:
    """Assemble the filter that every worker loads, so that a forked one finds it done. Raises OSError as above."""
    walls = ground.setup.blueprint.walls
    if {Wall.SECCOMP, Wall.PROCESSES} <= walls:
        _program(None, Wall.MOUNTS in walls)
