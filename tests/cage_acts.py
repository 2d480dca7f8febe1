"""Forbidden acts beyond the probes', each `name(stakes) -> bool`: whether it got through. Runs in the cage."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import resource
import socket
from collections.abc import Callable
from pathlib import Path

from grader.sandbox import kernel
from grader.sandbox.probe import Stakes

LIBC = ctypes.CDLL(None, use_errno=True)
LIBRARY_FILE = Path(os.__file__)


def call(number: int, *arguments: int) -> bool:
    """A system call by number on x86-64; whether it worked."""
    return bool(LIBC.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in arguments]) >= 0)


def truncate_a_file(stakes: Stakes) -> bool:
    os.truncate(stakes.bait.file, Path(stakes.bait.file).stat().st_size)
    return True


def change_times(stakes: Stakes) -> bool:
    os.utime(stakes.bait.file)
    return True


def link_a_file(stakes: Stakes) -> bool:
    link = Path(f"{stakes.bait.file}-link-{os.getpid()}")
    link.symlink_to(stakes.bait.file)
    link.unlink()
    return True


def remove_a_file(stakes: Stakes) -> bool:
    victim = Path(stakes.bait.file).with_name("victim")
    victim.rename(victim)
    return True


def change_the_interpreter(_: Stakes) -> bool:
    with LIBRARY_FILE.open("r+b"):
        return True


def change_the_mode_of_the_interpreter(_: Stakes) -> bool:
    with LIBRARY_FILE.open("rb") as file:
        os.fchmod(file.fileno(), os.fstat(file.fileno()).st_mode & 0o7777)
    return True


def lock_a_shared_file(_: Stakes) -> bool:
    with LIBRARY_FILE.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return True


def lock_a_shared_region(_: Stakes) -> bool:
    with LIBRARY_FILE.open("rb") as file:
        fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return True


def leave_a_hint_at_a_shared_file(_: Stakes) -> bool:
    """Whoever opens it next finds the hint there."""
    with LIBRARY_FILE.open("rb") as file:
        return len(fcntl.fcntl(file, 1036, bytes(8))) == 8


def limit_the_grader(stakes: Stakes) -> bool:
    resource.prlimit(stakes.bait.pid, resource.RLIMIT_CORE)
    return True


def pin_the_grader(stakes: Stakes) -> bool:
    os.sched_setaffinity(stakes.bait.pid, os.sched_getaffinity(stakes.bait.pid))
    return True


def slow_the_grader(stakes: Stakes) -> bool:
    os.setpriority(os.PRIO_PROCESS, stakes.bait.pid, os.getpriority(os.PRIO_PROCESS, stakes.bait.pid))
    return True


def hold_the_grader(stakes: Stakes) -> bool:
    os.close(os.pidfd_open(stakes.bait.pid))
    return True


def have_the_grader_signalled(stakes: Stakes) -> bool:
    """By the kernel, of what can be read from a file: the owner of the file is whoever one says."""
    ours, _theirs = socket.socketpair()
    return fcntl.fcntl(ours, fcntl.F_SETOWN, stakes.bait.pid) == 0


def make_a_queue(_: Stakes) -> bool:
    queue = LIBC.msgget(0, 0o1600)
    return bool(queue >= 0 and LIBC.msgctl(queue, 0, None) == 0)


def make_lasting_memory(_: Stakes) -> bool:
    segment = LIBC.shmget(0, 4096, 0o1600)
    return bool(segment >= 0 and LIBC.shmctl(segment, 0, None) == 0)


def watch_files(_: Stakes) -> bool:
    return bool(LIBC.inotify_init() >= 0)


def make_a_ring(_: Stakes) -> bool:
    return call(425, 1, ctypes.addressof(ctypes.create_string_buffer(120)))


def make_a_namespace(_: Stakes) -> bool:
    kernel.unshare(kernel.NEW_UTS)
    return True


def make_a_user_namespace(_: Stakes) -> bool:
    kernel.unshare(kernel.NEW_USER)
    return True


def map_shared_zeros(_: Stakes) -> bool:
    fd = os.open("/dev/zero", os.O_RDWR)
    mmap.mmap(fd, mmap.PAGESIZE).close()
    return True


def pass_data_by_pipes(_: Stakes) -> bool:
    reader, writer = os.pipe()
    os.write(writer, b"x")
    return os.splice(reader, os.pipe()[1], 1) == 1


def send_a_descriptor(_: Stakes) -> bool:
    """In a message it is no open file of anybody's, and counts against all processes of one user."""
    ours, _theirs = socket.socketpair()
    return socket.send_fds(ours, [b"x"], [0]) == 1


def send_out_of_band(_: Stakes) -> bool:
    ours, _theirs = socket.socketpair()
    return ours.send(b"x", socket.MSG_OOB) == 1


def use_a_call_of_tomorrow(_: Stakes) -> bool:
    """Number 463, setxattrat: the kernel's own answer to nonsense is EINVAL or EFAULT, not "no such call"."""
    return bool(LIBC.syscall(ctypes.c_long(463), -1, 0, 0, 0, 0, 0) >= 0 or ctypes.get_errno() not in (38, 1))


def take_much_memory(_: Stakes) -> bool:
    try:
        bytearray(400 << 20)
    except MemoryError:
        return False
    return True


def open_many_files(_: Stakes) -> bool:
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(300)]
    return len(files) == 300


ALL: dict[str, Callable[[Stakes], bool]] = {
    name: act
    for name, act in list(globals().items())
    if callable(act) and getattr(act, "__module__", "") == __name__ and name != "call"
}


def through(stakes: Stakes) -> list[str]:
    """The acts that got through."""
    passed = []
    for name, act in ALL.items():
        try:
            if act(stakes):
                passed.append(name)
        except (OSError, ValueError):
            continue
    return passed
