"""The walls that every system has: own descriptors, own process group, limits. Not a sandbox: level 1, and said so.

Runs in the worker, before student code: standard library only.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys

STDIN, STDOUT, STDERR = 0, 1, 2
CHANNEL = 3
OPEN_FILES = 256
FILE_BYTES = 64 << 20


def enter(channel: int, log: int, scratch: str, memory_bytes: int, cpu_seconds: int) -> socket.socket:
    """Shut a forked child in; returns its channel. The order: own descriptors, own session, own folder, limits."""
    own_descriptors(channel, log)
    os.setsid()
    os.chdir(scratch)
    limit(memory_bytes, cpu_seconds)
    return socket.socket(fileno=CHANNEL)


def own_descriptors(channel: int, log: int) -> None:
    """Keep 0 (nothing), 1 and 2 (the log) and 3 (the channel); close every other one."""
    place_descriptors(channel, log)
    os.closerange(CHANNEL + 1, 1 << 12)


def place_descriptors(channel: int, log: int) -> None:
    """Make 0 nothing, 1 and 2 the log, and 3 the channel."""
    null = os.open(os.devnull, os.O_RDONLY)
    moved = os.dup(channel), os.dup(log)  # out of the way of the numbers to be taken
    for source, target in ((null, STDIN), (moved[1], STDOUT), (moved[1], STDERR), (moved[0], CHANNEL)):
        os.dup2(source, target)


def limit(memory_bytes: int, cpu_seconds: int) -> None:
    """Limits on memory, processor time, files and core dumps, where the system has them."""
    try:
        import resource
    except ImportError:  # Windows: the judge's clock is all there is
        return
    data = getattr(resource, "RLIMIT_DATA", None)
    wanted = {
        data: memory_bytes,
        resource.RLIMIT_CPU: cpu_seconds,
        resource.RLIMIT_FSIZE: FILE_BYTES,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_CORE: 0,
    }
    for name, value in wanted.items():
        if name is not None:
            with contextlib.suppress(ValueError, OSError):  # a lower hard limit is in force already
                resource.setrlimit(name, (value, value))


def take_pipes() -> tuple[int, int]:
    """Move a fresh process's stdin and stdout out of student code's way; 0 becomes nothing and 1 the log."""
    reader, writer = os.dup(STDIN), os.dup(STDOUT)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, STDIN)
    os.dup2(STDERR, STDOUT)
    for fd in (reader, writer):
        if sys.platform == "win32":
            import msvcrt

            msvcrt.setmode(fd, os.O_BINARY)
    return reader, writer
