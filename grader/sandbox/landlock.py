"""Landlock: which files a worker may read or write, refused for all others by the kernel. Standard library only."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable

from grader.sandbox import kernel
from grader.sandbox.ground import NULL, READABLE_DEVICES

READABLE_FACTS = (
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
)

# Landlock's accesses to files, by the version that knows them.
_EXECUTE, _WRITE, _READ, _LIST = 1, 2, 4, 8
_MAKE_DEVICES = 1 << 6 | 1 << 11
_TRUNCATE, _DEVICE_CONTROL = 1 << 14, 1 << 15
_ON_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE | _DEVICE_CONTROL
_ALL_TCP, _ALL_SCOPES = 3, 3
OLDEST_LANDLOCK = 3  # Linux 6.2; before, a file that could not be opened could still be truncated


def restrict(readable_paths: Iterable[str], writable_folders: Iterable[str]) -> None:
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
