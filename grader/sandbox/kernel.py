"""The system calls that the walls are made of, for which Python has no function. Standard library only; Linux.

Each function returns its result or raises OSError with the kernel's errno. Nothing here decides anything.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct

MACHINE = platform.machine()

NEW_MOUNT = 0x0002_0000
NEW_UTS = 0x0400_0000
NEW_IPC = 0x0800_0000
NEW_USER = 0x1000_0000
NEW_PID = 0x2000_0000
NEW_NET = 0x4000_0000

MOUNT_NO_SETUID = 2
MOUNT_NO_DEVICES = 4
MOUNT_NO_PROGRAMS = 8
MOUNT_BIND = 0x1000
MOUNT_RECURSIVE = 0x4000
MOUNT_PRIVATE = 1 << 18
UNMOUNT_DETACH = 2

SET_PARENT_DEATH_SIGNAL = 1
CAPBSET_READ, CAPBSET_DROP = 23, 24
SET_NO_NEW_PRIVS, GET_NO_NEW_PRIVS = 38, 39
CAP_SETUID, CAP_SYS_ADMIN = 7, 21

# Numbers that differ between machines; the calls newer than Linux 5.0 have one number everywhere.
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_CLOSE_RANGE, _MOUNT_SETATTR = 436, 442
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446

_CAPABILITY_HEADER = struct.pack("=Ii", 0x2008_0522, 0)  # version 3, this thread
_MOUNT_ATTRIBUTES = struct.Struct("=QQQQ")
_READ_ONLY, _NO_SETUID = 1, 2
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_READ, _WRITE, _EXECUTE = 1, 2, 4
_PRIVATE, _ANONYMOUS = 2, 0x20
_MAY_MOVE, _REPLACE = 1, 2
_HUGE, _COLLAPSE = 14, 25
_FAILED = ctypes.c_void_p(-1).value

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]
_libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
_libc.capget.argtypes = _libc.capset.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.mmap.restype = _libc.mremap.restype = ctypes.c_void_p
_libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
_libc.signal.restype = ctypes.c_void_p


def exit_on(signal: int) -> None:
    """End with the signal's number as exit code when it comes; at once, without a line of Python."""
    _libc.signal(signal, ctypes.cast(_libc._exit, ctypes.c_void_p))  # noqa: SLF001  # its name in C


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _syscall(what: str, number: int, *arguments: int | bytes | None) -> int:
    """Each integer as a full register: an int of ctypes would leave the upper half to chance."""
    registers = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _checked(int(_libc.syscall(ctypes.c_long(number), *registers)), what)


def prctl(option: int, value: int = 0) -> int:
    """prctl with one argument."""
    return _checked(_libc.prctl(option, value, 0, 0, 0), f"prctl({option})")


def unshare(flags: int) -> None:
    """Leave the namespaces in `flags` for new ones."""
    _checked(_libc.unshare(flags), f"unshare({flags:#x})")


def setns(fd: int, kind: int) -> None:
    """Enter the namespace that `fd` is open on."""
    _checked(_libc.setns(fd, kind), "setns")


def mount(source: str, target: str, kind: str | None, flags: int = 0, options: str | None = None) -> None:
    """Mount `source` on `target`; `kind` None for a bind."""
    texts = [t.encode() if t is not None else None for t in (source, target, kind, options)]
    _checked(_libc.mount(texts[0], texts[1], texts[2], flags, texts[3]), f"mount {kind or 'bind'} on {target}")


def make_read_only(path: str) -> None:
    """Every mount at and below `path`: no writing, no setuid programs."""
    attributes = _MOUNT_ATTRIBUTES.pack(_READ_ONLY | _NO_SETUID, 0, 0, 0)
    _syscall("mount_setattr", _MOUNT_SETATTR, _AT_FDCWD, path.encode(), _AT_RECURSIVE, attributes, len(attributes))


def change_root(path: str) -> None:
    """Make the mount at `path` the root, and detach what was the root before."""
    os.chdir(path)
    _syscall("pivot_root", _PIVOT_ROOT[MACHINE], b".", b".")  # the old root lands over the new one ...
    _checked(_libc.umount2(b".", UNMOUNT_DETACH), "umount2")  # ... and is taken off again
    os.chdir("/")


def close_from(first: int) -> None:
    """Close every descriptor from `first` up."""
    _syscall("close_range", _CLOSE_RANGE, first, 0xFFFF_FFFF, 0)


def capabilities() -> tuple[int, int, int]:
    """This thread's effective, permitted and inheritable sets, as bit masks."""
    data = ctypes.create_string_buffer(24)
    _checked(_libc.capget(_CAPABILITY_HEADER, data), "capget")
    low, high = struct.unpack("=3I", data.raw[:12]), struct.unpack("=3I", data.raw[12:])
    effective, permitted, inheritable = (a | b << 32 for a, b in zip(low, high, strict=True))
    return effective, permitted, inheritable


def has_capability(number: int) -> bool:
    """Whether this thread may use a capability now."""
    return bool(capabilities()[0] >> number & 1)


def drop_capabilities() -> None:
    """Empty all five sets. The bounding set first: emptying it takes a capability itself."""
    bounded = [n for n in range(64) if _libc.prctl(CAPBSET_READ, n, 0, 0, 0) == 1]
    if has_capability(8):  # CAP_SETPCAP; without it the set bounds nothing, for there is nothing to gain
        for number in bounded:
            prctl(CAPBSET_DROP, number)
    _checked(_libc.capset(_CAPABILITY_HEADER, bytes(24)), "capset")  # empties the ambient set too


def collapse(start: int, size: int) -> bool:
    """Put a range of private memory into huge pages; False where the kernel will not."""
    return bool(_libc.madvise(start, size, _COLLAPSE) == 0)


def move_code(start: int, size: int) -> bool:
    """Put code into private memory in one huge page of `size`, at the address where it was; False if it stays there.

    What is around the copy is given back before it is moved: afterwards Python may have put something there.
    """
    room = _libc.mmap(None, 2 * size, _READ | _WRITE, _PRIVATE | _ANONYMOUS, -1, 0)
    if room == _FAILED:
        return False
    copy = -(-room // size) * size
    if copy > room:
        _libc.munmap(room, copy - room)
    _libc.munmap(copy + size, room + size - copy)
    _libc.madvise(copy, size, _HUGE)
    ctypes.memmove(copy, start, size)
    if collapse(copy, size) and _libc.mprotect(copy, size, _READ | _EXECUTE) == 0:
        return bool(_libc.mremap(copy, size, size, _MAY_MOVE | _REPLACE, start) == start)
    _libc.munmap(copy, size)
    return False


def landlock_abi() -> int:
    """The version of Landlock in this kernel, 0 where there is none."""
    try:
        return _syscall("landlock_create_ruleset", _LANDLOCK_CREATE, None, 0, 1)
    except OSError:
        return 0


def landlock_ruleset(files: int, network: int, scope: int, abi: int) -> int:
    """A descriptor of a ruleset that handles these accesses, as far as the ABI knows them."""
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    attributes = struct.pack("=QQQ", files, network, scope)[:size]
    return _syscall("landlock_create_ruleset", _LANDLOCK_CREATE, attributes, size, 0)


def landlock_allow(ruleset: int, access: int, folder: int) -> None:
    """Allow `access` below what `folder`, a descriptor, is open on."""
    _syscall("landlock_add_rule", _LANDLOCK_ADD, ruleset, 1, struct.pack("=Qi", access, folder), 0)


def landlock_restrict(ruleset: int) -> None:
    """Enforce a ruleset on this thread for ever."""
    _syscall("landlock_restrict_self", _LANDLOCK_RESTRICT, ruleset, 0)


def load_filter(program: bytes) -> None:
    """Load a seccomp filter (classic BPF instructions of 8 bytes) for ever. Needs no_new_privs."""
    buffer = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("=HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    _syscall("seccomp", _SECCOMP[MACHINE], 1, 0, described)
