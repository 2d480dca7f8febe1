"""The ground that a zygote makes before it imports anything: namespaces, an empty file system, user ids to give away.

The theory of it, and the walls that each worker builds on it, are in `linux.py`. Standard library only.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import signal
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from grader.sandbox import kernel
from grader.sandbox.blueprint import NAMESPACES, Opener, Setup, Wall, WallFailed

SCRATCH_BYTES, SCRATCH_FILES = 64 << 20, 4096
PLAIN_FILES = kernel.MOUNT_NO_SETUID | kernel.MOUNT_NO_DEVICES | kernel.MOUNT_NO_PROGRAMS

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
NULL, SHARED_MEMORY = "/dev/null", "/dev/shm"  # noqa: S108  # a private tmpfs is mounted there

OWN_UIDS = ((1_900_000_000, 60_000), (60_000, 1_000))
"""Ranges of user ids that nobody else has: above those that systemd gives to containers, else just below nobody."""


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
    mount_memory(scratch)


def _show(path: Path, target: Path) -> None:
    """Bind a file or folder into the new root."""
    if path.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    kernel.mount(str(path), str(target), None, kernel.MOUNT_BIND | kernel.MOUNT_RECURSIVE)


def mount_memory(folder: str) -> None:
    """An empty, small folder in memory, that everyone may write to."""
    options = f"size={SCRATCH_BYTES},nr_inodes={SCRATCH_FILES},mode=1777"
    kernel.mount("tmpfs", folder, "tmpfs", PLAIN_FILES, options)


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
