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
import itertools
import os
import resource
import secrets
import signal
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

from grader.sandbox import kernel, plain, probe, seccomp
from grader.sandbox.blueprint import ABORTED, NAMESPACES, Evidence, Opener, Setup, Wall, WallFailed

SCRATCH_BYTES, SCRATCH_FILES = 64 << 20, 4096
FILE_BYTES = SCRATCH_BYTES
PLAIN_FILES = kernel.MOUNT_NO_SETUID | kernel.MOUNT_NO_DEVICES | kernel.MOUNT_NO_PROGRAMS
OPEN_FILES = 256
THREADS = 128

SYSTEM_FOLDERS = (
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/lib",
    "/lib64",
    "/usr/share/zoneinfo",
    "/etc/alternatives",
)
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/localtime")
READABLE_DEVICES = ("/dev/zero", "/dev/random", "/dev/urandom")
READABLE_FACTS = (
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
)
NULL, SHARED_MEMORY = "/dev/null", "/dev/shm"  # noqa: S108  # a private tmpfs is mounted there

OWN_UIDS = ((1_900_000_000, 60_000), (60_000, 1_000))
"""Ranges of user ids that nobody else has: above those that systemd gives to containers, else just below nobody."""


@dataclass(frozen=True)
class Limits:
    """What one worker may use. `memory_bytes` is its data segment, what the zygote had included."""

    memory_bytes: int
    cpu_seconds: int


@dataclass
class Ground:
    """What the zygote keeps to fork from. `namespaces` (kernel numbers), `uid` and `parent` are the zygote's own."""

    setup: Setup
    readable: tuple[str, ...]
    namespaces: dict[Wall, int]
    uid: int
    parent: int = field(default_factory=os.getpid)
    home: int | None = None
    uids: Iterator[int] = field(default_factory=lambda: iter(()))


# ------------------------------------------------------------------------------------------------- the zygote's ground


def prepare(setup: Setup) -> Ground:
    """Make the ground that the blueprint asks for. Raises `WallFailed`.

    The calling process must have one thread. Where there are PID namespaces it does not come back: it waits for its
    child, which goes on from here as process 1 of its own.
    """
    blueprint = setup.blueprint
    paths = readable()
    wanted = blueprint.walls & NAMESPACES
    if wanted:
        with building(Wall.PROCESSES):
            _open(blueprint.opener)
            kernel.unshare(_flags(wanted))
        if Wall.PROCESSES in wanted:
            _become_first_process()
        if Wall.MOUNTS in wanted:
            with building(Wall.MOUNTS):
                empty_root(paths, setup.scratch)
    home = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC) if Wall.PROCESSES in wanted else None
    uids = own_uids() if Wall.UID in blueprint.walls else iter(())
    return Ground(setup, paths, namespaces(), os.getuid(), home=home, uids=uids)


@contextlib.contextmanager
def building(wall: Wall) -> Iterator[None]:
    """An OSError in here is that wall's."""
    try:
        yield
    except OSError as e:
        raise WallFailed(wall, f"{e.strerror or e}") from e


def _flags(walls: Iterable[Wall]) -> int:
    kinds = {
        Wall.MOUNTS: kernel.NEW_MOUNT,
        Wall.NETWORK: kernel.NEW_NET,
        Wall.IPC: kernel.NEW_IPC,
        Wall.HOST_NAME: kernel.NEW_UTS,
        Wall.PROCESSES: kernel.NEW_PID,
    }
    return sum(kinds[w] for w in walls)


def _open(opener: Opener) -> None:
    """Get the capabilities that namespaces need. Bubblewrap and privilege have given them already."""
    if opener is not Opener.USER_NAMESPACE:
        return
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(kernel.NEW_USER)
    Path("/proc/self/setgroups").write_text("deny")  # the kernel's condition for mapping a group
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def _become_first_process() -> None:
    """Go on as process 1 of the new PID namespace; the old process waits and ends as it did."""
    child = os.fork()
    if child:
        _wait_and_end(child)
    kernel.prctl(kernel.SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def _wait_and_end(child: int) -> NoReturn:
    kernel.close_from(3)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def readable() -> tuple[str, ...]:
    """What a worker may read: the interpreter's libraries, the system's, and this package's own folder.

    Never the package's parent: in a checkout that holds the reference. Entries of sys.path count only below the
    interpreter's prefixes, for a .pth file may name any folder.
    """
    package = str(Path(__file__).resolve().parent.parent)
    prefixes = {str(Path(p).absolute()) for p in (sys.prefix, sys.base_prefix)}
    libraries = [f"{prefix}/{lib}" for prefix in prefixes for lib in ("lib", "lib64")]
    listed = [p for p in sys.path if any(p.startswith(prefix + "/") for prefix in prefixes)]
    loader = [p for p in os.environ.get("LD_LIBRARY_PATH", "").split(":") if p.startswith("/")]
    named = [*SYSTEM_FOLDERS, *SYSTEM_FILES, *libraries, *listed, *loader, package]
    there = [Path(p) for p in named if Path(p).exists()]
    both = {str(form) for p in there for form in (p.absolute(), p.resolve())}
    return tuple(sorted(p for p in both if not any(p.startswith(other + "/") for other in both)))


def empty_root(paths: Iterable[str], scratch: str) -> None:
    """A new root that holds these paths, read-only, a few devices and /proc, and an empty folder for scratch.

    The zygote may write to it (torch wants a folder for its caches); a worker mounts its own scratch over it.
    """
    kernel.mount("none", "/", None, kernel.MOUNT_RECURSIVE | kernel.MOUNT_PRIVATE)
    kernel.mount("tmpfs", scratch, "tmpfs", kernel.MOUNT_NO_SETUID, "size=1m,mode=755")
    for path in (*paths, *READABLE_DEVICES, NULL, "/proc", "/sys/devices/system/cpu"):
        if Path(path).exists():
            _show(Path(path), Path(scratch + path))
    for folder in (scratch, SHARED_MEMORY):
        Path(scratch + folder).mkdir(parents=True, exist_ok=True)
    kernel.make_read_only(scratch)
    kernel.change_root(scratch)
    _mount_memory(scratch)


def _show(path: Path, target: Path) -> None:
    """Bind a file or folder into the new root."""
    if path.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    kernel.mount(str(path), str(target), None, kernel.MOUNT_BIND | kernel.MOUNT_RECURSIVE)


def own_uids() -> Iterator[int]:
    """User ids that no one else has, one a worker, from anywhere in the range: another grader may run beside.

    Raises `WallFailed`.
    """
    if not kernel.has_capability(kernel.CAP_SETUID):
        raise WallFailed(Wall.UID, "only root can give a worker its own user id")
    lines = [[int(word) for word in line.split()] for line in Path("/proc/self/uid_map").read_text().splitlines()]
    for first, count in OWN_UIDS:
        if any(inside <= first and first + count <= inside + length for inside, _, length in lines):
            start = secrets.randbelow(count)
            return (first + (start + n) % count for n in itertools.count())
    raise WallFailed(Wall.UID, "this container has too few user ids")


def namespaces() -> dict[Wall, int]:
    """The kernel's numbers of the namespaces that this process is in."""
    names = {"mnt": Wall.MOUNTS, "net": Wall.NETWORK, "ipc": Wall.IPC, "uts": Wall.HOST_NAME, "pid": Wall.PROCESSES}
    return {wall: Path(f"/proc/self/ns/{name}").stat().st_ino for name, wall in names.items()}


def collapse_heap() -> int:
    """Put this process's private memory into huge pages; says how many ranges. A fork then copies few page tables.

    Not a wall: without it (Linux before 6.1) a fork takes four times as long.
    """
    done, huge = 0, 2 << 20
    for line in Path("/proc/self/maps").read_text().splitlines():
        words = line.split()
        if words[1] != "rw-p" or (len(words) > 5 and words[5] != "[heap]"):
            continue
        start, end = (int(part, 16) for part in words[0].split("-"))
        start, end = (start + huge - 1) // huge * huge, end // huge * huge
        done += end > start and kernel.collapse(start, end - start)
    return done


# ------------------------------------------------------------------------------------------------- the worker's walls


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
    build(Wall.LANDLOCK, landlock, ground.readable, (scratch, SHARED_MEMORY) if Wall.MOUNTS in walls else ())
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
    _mount_memory(scratch)
    _mount_memory(SHARED_MEMORY)
    if new_proc:
        kernel.mount("proc", "/proc", "proc", PLAIN_FILES)


def _mount_memory(folder: str) -> None:
    options = f"size={SCRATCH_BYTES},nr_inodes={SCRATCH_FILES},mode=1777"
    kernel.mount("tmpfs", folder, "tmpfs", PLAIN_FILES, options)


def _die_first() -> None:
    """When the machine runs out of memory, let the kernel take a worker rather than the judge. Not a wall."""
    with contextlib.suppress(OSError):  # some containers have /proc read-only
        Path("/proc/self/oom_score_adj").write_text("1000")


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


# Landlock's accesses to files, by the version that knows them.
_EXECUTE, _WRITE, _READ, _LIST = 1, 2, 4, 8
_MAKE_DEVICES = 1 << 6 | 1 << 11
_TRUNCATE, _DEVICE_CONTROL = 1 << 14, 1 << 15
_ON_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE | _DEVICE_CONTROL
_ALL_TCP, _ALL_SCOPES = 3, 3
OLDEST_LANDLOCK = 3  # Linux 6.2; before, a file that could not be opened could still be truncated


def landlock(readable_paths: Iterable[str], writable_folders: Iterable[str]) -> None:
    """Refuse every file that is not listed, every TCP port, and signals and abstract sockets to others.

    A listed path that is not there grants nothing; a writable folder must be there.
    """
    abi = kernel.landlock_abi()
    if abi < OLDEST_LANDLOCK:
        raise OSError(0, f"this kernel has Landlock version {abi}, and {OLDEST_LANDLOCK} (Linux 6.2) is needed")
    every = (1 << (16 if abi >= 5 else 15)) - 1
    ruleset = kernel.landlock_ruleset(every, _ALL_TCP, _ALL_SCOPES, abi)
    writing = every & ~(_EXECUTE | _MAKE_DEVICES | _DEVICE_CONTROL)
    for path in (*readable_paths, *READABLE_DEVICES, *READABLE_FACTS):
        with contextlib.suppress(FileNotFoundError):
            _allow(ruleset, path, _READ | _LIST)
    for path in (*writable_folders, NULL):
        _allow(ruleset, path, writing)
    kernel.landlock_restrict(ruleset)
    os.close(ruleset)


def _allow(ruleset: int, path: str, access: int) -> None:
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        kernel.landlock_allow(ruleset, access if stat.S_ISDIR(os.fstat(fd).st_mode) else access & _ON_FILES, fd)
    finally:
        os.close(fd)


def filter_calls(walls: frozenset[Wall]) -> None:
    """Load the filter of system calls; without PID and mount namespaces it refuses more."""
    if kernel.MACHINE not in seccomp.ARCHITECTURES:
        raise OSError(0, f"there is no list of system calls for {kernel.MACHINE}")
    own_pid = None if Wall.PROCESSES in walls else os.getpid()
    kernel.load_filter(_program(own_pid, Wall.MOUNTS in walls))


@lru_cache(maxsize=4)
def _program(own_pid: int | None, private_files: bool) -> bytes:
    return seccomp.program(kernel.MACHINE, own_pid, private_files=private_files)


def warm(ground: Ground) -> None:
    """Assemble the filter that every worker loads, so that a forked one finds it done."""
    walls = ground.setup.blueprint.walls
    if {Wall.SECCOMP, Wall.PROCESSES} <= walls:
        _program(None, Wall.MOUNTS in walls)
