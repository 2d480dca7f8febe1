"""Try from inside what each wall forbids. Runs in the worker, behind its walls, before student code. Standard library.

An act that fails proves nothing alone, so the test suite runs each act without its walls too, and there it succeeds.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import resource
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from grader.sandbox import kernel
from grader.sandbox.blueprint import Bait, Evidence, Wall

NO_PROGRAM = "/nonexistent/program"  # where nothing refuses to run it, it is not found
DESCRIPTORS = frozenset(range(4))


@dataclass(frozen=True)
class Stakes:
    """What the acts go for. `namespaces` and `uid` are the zygote's: a worker must have others."""

    bait: Bait
    namespaces: Mapping[Wall, int]
    uid: int


Act = Callable[[Stakes], bool]
"""Tries something forbidden; says whether it got through. OSError and ValueError say that it did not."""


def probe(built: frozenset[Wall], stakes: Stakes) -> tuple[Evidence, ...]:
    """For every wall, whether it was built and which forbidden acts got through it."""
    through = breaches(stakes)
    return tuple(Evidence(w, w in built, tuple(act for act in through if w in ACTS[act][0])) for w in Wall)


def breaches(stakes: Stakes) -> tuple[str, ...]:
    """The acts that get through."""
    return tuple(name for name, (_, act) in ACTS.items() if _got_through(act, stakes))


def _got_through(act: Act, stakes: Stakes) -> bool:
    try:
        return act(stakes)
    except (OSError, ValueError):  # setrlimit says ValueError
        return False


def _other_descriptors(_: Stakes) -> bool:
    listing = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY)
    try:
        return not _numbers(listing) <= DESCRIPTORS | {listing, listing + 1}  # it lists a copy of itself
    finally:
        os.close(listing)


def _numbers(folder: int) -> set[int]:
    return {int(name) for name in os.listdir(folder)}  # of a descriptor


def _open_canary(stakes: Stakes) -> bool:
    return bool(Path(stakes.bait.file).read_bytes())


def _list_folder(stakes: Stakes) -> bool:
    return any(_listed(folder) for folder in (Path(stakes.bait.file).parent, *map(Path, stakes.bait.folders)))


def _listed(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        list(folder.iterdir())
        return True
    return False


def _stat_canary(stakes: Stakes) -> bool:
    return Path(stakes.bait.file).stat().st_size > 0


def _mark_canary(stakes: Stakes) -> bool:
    Path(stakes.bait.file).chmod(0o644)  # the mode that it has
    return True


def _write_outside(stakes: Stakes) -> bool:
    Path(stakes.bait.file).with_name(f"written-{os.getpid()}").touch()
    return True


def _list_root(_: Stakes) -> bool:
    return _listed(Path("/"))


def _connect(stakes: Stakes) -> bool:
    with socket.socket() as sock:  # not create_connection, which first asks for a name: 3 ms
        sock.settimeout(1)
        sock.connect(("127.0.0.1", stakes.bait.port))
    return True


def _make_socket(_: Stakes) -> bool:
    socket.socket().close()
    return True


def _fork(_: Stakes) -> bool:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return True


def _execute(_: Stakes) -> bool:
    try:
        os.execv(NO_PROGRAM, [NO_PROGRAM])  # noqa: S606  # there is no such program
    except FileNotFoundError:
        return True  # nothing refused to look for it


def _shared_memory(_: Stakes) -> bool:
    mmap.mmap(-1, mmap.PAGESIZE).close()
    return True


def _memory_file(_: Stakes) -> bool:
    os.close(os.memfd_create("probe"))
    return True


def _signal_judge(stakes: Stakes) -> bool:
    if _is_itself(stakes):
        return False
    os.kill(stakes.bait.pid, 0)
    return True


def _name_judge(stakes: Stakes) -> bool:
    return not _is_itself(stakes) and os.getsid(stakes.bait.pid) >= 0


def _read_judge(stakes: Stakes) -> bool:
    return not _is_itself(stakes) and bool(Path(f"/proc/{stakes.bait.pid}/environ").read_bytes())


def _is_itself(stakes: Stakes) -> bool:
    """A judge may be process 1 of a container, and a worker is process 1 of its own namespace."""
    return stakes.bait.pid == os.getpid()


def _same_user(stakes: Stakes) -> bool:
    return os.getuid() == stakes.uid


def _raise_limit(_: Stakes) -> bool:
    for limit in (resource.RLIMIT_DATA, resource.RLIMIT_CPU):
        hard = resource.getrlimit(limit)[1]
        if hard == resource.RLIM_INFINITY or _raised(limit, hard):
            return True
    return False


def _raised(limit: int, hard: int) -> bool:
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(limit, (hard, hard + 1))
        return True
    return False


def _hold_capabilities(_: Stakes) -> bool:
    return any(kernel.capabilities())


def _gain_privileges(_: Stakes) -> bool:
    return kernel.prctl(kernel.GET_NO_NEW_PRIVS) == 0


def _same_namespace(wall: Wall, name: str) -> Act:
    return lambda stakes: Path(f"/proc/self/ns/{name}").stat().st_ino == stakes.namespaces[wall]


ACTS: Mapping[str, tuple[frozenset[Wall], Act]] = MappingProxyType(
    {
        "use a descriptor of the grader's": (frozenset({Wall.DESCRIPTORS}), _other_descriptors),
        "share the mount namespace": (frozenset({Wall.MOUNTS}), _same_namespace(Wall.MOUNTS, "mnt")),
        "share the network namespace": (frozenset({Wall.NETWORK}), _same_namespace(Wall.NETWORK, "net")),
        "share the ipc namespace": (frozenset({Wall.IPC}), _same_namespace(Wall.IPC, "ipc")),
        "share the uts namespace": (frozenset({Wall.HOST_NAME}), _same_namespace(Wall.HOST_NAME, "uts")),
        "share the pid namespace": (frozenset({Wall.PROCESSES}), _same_namespace(Wall.PROCESSES, "pid")),
        "open a secret file": (frozenset({Wall.MOUNTS, Wall.LANDLOCK}), _open_canary),
        "list a secret folder": (frozenset({Wall.MOUNTS, Wall.LANDLOCK}), _list_folder),
        "see that a secret file is there": (frozenset({Wall.MOUNTS}), _stat_canary),
        "change a file's mode": (frozenset({Wall.MOUNTS, Wall.SECCOMP}), _mark_canary),
        "write outside its folder": (frozenset({Wall.MOUNTS, Wall.LANDLOCK}), _write_outside),
        "list the root folder": (frozenset({Wall.LANDLOCK}), _list_root),
        "connect to a port": (frozenset({Wall.NETWORK, Wall.SECCOMP}), _connect),
        "make a socket": (frozenset({Wall.SECCOMP}), _make_socket),
        "start a process": (frozenset({Wall.SECCOMP}), _fork),
        "run a program": (frozenset({Wall.SECCOMP}), _execute),
        "share memory": (frozenset({Wall.SECCOMP}), _shared_memory),
        "make a file in memory": (frozenset({Wall.SECCOMP}), _memory_file),
        "signal the grader": (frozenset({Wall.PROCESSES, Wall.SECCOMP}), _signal_judge),
        "name the grader's process": (frozenset({Wall.PROCESSES}), _name_judge),
        "read the grader's environment": (frozenset({Wall.PROCESSES, Wall.LANDLOCK}), _read_judge),
        "be the grader's user": (frozenset({Wall.UID}), _same_user),
        "raise a limit": (frozenset({Wall.LIMITS}), _raise_limit),
        "hold a capability": (frozenset({Wall.CAPABILITIES}), _hold_capabilities),
        "gain privileges by running a program": (frozenset({Wall.NO_NEW_PRIVILEGES}), _gain_privileges),
    }
)
"""Each forbidden act, and the walls that it would show to be missing."""
