"""The filter of system calls: its numbers against libseccomp's, and what it decides, on both machines."""

from __future__ import annotations

import ctypes
import errno
import struct

import pytest

from grader.sandbox import seccomp
from grader.sandbox.seccomp import ARCHITECTURES, INSPECTED, LABELS, OTHERS, REFUSED

REFUSE, UNKNOWN = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
NEWER_THAN_LIBSECCOMP = {"statmount", "listmount", "lsm_set_self_attr"}
THREAD = 0x3D0F00  # what the C library asks clone for when it makes a thread


def decide(program: bytes, machine: str, number: int, *arguments: int) -> int:
    """Run the filter on one call, as the kernel would."""
    architecture = ARCHITECTURES[machine][1]
    data = struct.pack("<iIQ6Q", number, architecture, 0, *(*arguments, *[0] * 6)[:6])
    code = list(struct.iter_unpack("=HBBI", program))
    value = at = 0
    while True:
        operation, if_true, if_false, k = code[at]
        at += 1
        if operation == 0x06:
            return int(k)
        if operation == 0x20:
            (value,) = struct.unpack_from("<I", data, k)
        elif operation == 0x54:
            value &= k
        elif operation == 0x05:
            at += k
        else:
            at += if_true if {0x15: value == k, 0x35: value >= k, 0x45: bool(value & k)}[operation] else if_false


def number(machine: str, name: str) -> int:
    found = {**REFUSED, **LABELS, **OTHERS, **INSPECTED}[name][ARCHITECTURES[machine][0]]
    assert found is not None
    return found


@pytest.fixture(params=list(ARCHITECTURES))
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_number_is_libseccomps(machine: str) -> None:
    try:
        resolve = ctypes.CDLL("libseccomp.so.2").seccomp_syscall_resolve_name_arch
    except OSError:
        pytest.skip("there is no libseccomp here to compare with")
    resolve.argtypes = [ctypes.c_uint32, ctypes.c_char_p]
    column, architecture = ARCHITECTURES[machine]
    ours = {name: n[column] for table in (REFUSED, LABELS, OTHERS, INSPECTED) for name, n in table.items()}
    theirs = {name: resolve(architecture, name.encode()) for name in ours}
    known = set(ours) - NEWER_THAN_LIBSECCOMP
    assert {n: ours[n] for n in known} == {n: theirs[n] if theirs[n] >= 0 else None for n in known}


def test_refused_calls_are_refused_and_ordinary_ones_are_not(machine: str) -> None:
    program = seccomp.program(machine, None, private_files=True)
    column = ARCHITECTURES[machine][0]
    refused = [n[column] for n in REFUSED.values() if n[column] is not None]
    assert {decide(program, machine, n) for n in refused if n} == {REFUSE}
    ordinary = {"x86_64": [0, 1, 3, 257, 231, 39, 202], "aarch64": [63, 64, 57, 56, 94, 172, 98]}[machine]
    assert {decide(program, machine, n) for n in ordinary} == {seccomp.ALLOW}


def test_threads_are_allowed_and_processes_are_not(machine: str) -> None:
    program = seccomp.program(machine, None, private_files=True)
    clone = number(machine, "clone")
    assert decide(program, machine, clone, THREAD) == seccomp.ALLOW
    assert decide(program, machine, clone, 0x01200011) == REFUSE  # fork
    assert decide(program, machine, clone, THREAD | 0x10000000) == REFUSE  # with a user namespace
    assert decide(program, machine, number(machine, "clone3")) == UNKNOWN


def test_memory_is_private_and_terminals_and_locks_are_left_alone(machine: str) -> None:
    program = seccomp.program(machine, None, private_files=True)
    mmap, ioctl, fcntl = (number(machine, name) for name in ("mmap", "ioctl", "fcntl"))
    asked = [
        (mmap, 0, 0, 0, 0x22),
        (mmap, 0, 0, 0, 0x01),
        (mmap, 0, 0, 0, 0x21),
        (ioctl, 0, 0x5401),
        (ioctl, 0, 0x5412),
    ]
    answers = [decide(program, machine, *call) for call in [*asked, (fcntl, 0, 2), (fcntl, 0, 6)]]
    allow = seccomp.ALLOW
    assert answers == [allow, allow, REFUSE, allow, REFUSE, allow, REFUSE]


def test_a_socket_carries_bytes_and_nothing_else(machine: str) -> None:
    program = seccomp.program(machine, None, private_files=True)
    for name in ("sendto", "recvfrom"):
        call = number(machine, name)
        assert decide(program, machine, call, 3, 0, 9, 0x4000) == seccomp.ALLOW  # MSG_NOSIGNAL
        assert decide(program, machine, call, 3, 0, 9, 0x4001) == REFUSE  # and MSG_OOB
    assert decide(program, machine, number(machine, "sendmsg"), 3, 0, 0) == REFUSE  # may carry descriptors


def test_without_a_pid_namespace_only_the_worker_itself_may_be_signalled(machine: str) -> None:
    alone = seccomp.program(machine, None, private_files=True)
    beside = seccomp.program(machine, 77, private_files=True)
    for name in ("kill", "tgkill", "prlimit64", "sched_setaffinity"):
        call = number(machine, name)
        assert [decide(beside, machine, call, pid) for pid in (77, 0, 78, 1)] == [seccomp.ALLOW] * 2 + [REFUSE] * 2
        assert decide(alone, machine, call, 78) == seccomp.ALLOW
    assert decide(beside, machine, number(machine, "setpriority"), 0, 78) == REFUSE


def test_no_file_signals_for_anybody(machine: str) -> None:
    """Landlock keeps that from other processes only since Linux 6.12."""
    program = seccomp.program(machine, 77, private_files=False)
    calls = [("fcntl", 8), ("fcntl", 10), ("fcntl", 15), ("ioctl", 0x8901), ("ioctl", 0x8902)]
    assert {decide(program, machine, number(machine, name), 3, what) for name, what in calls} == {REFUSE}


def test_no_file_is_marked_that_may_only_be_read(machine: str) -> None:
    program = seccomp.program(machine, 77, private_files=False)
    calls = [
        ("fcntl", 1036),
        ("fcntl", 1038),
        *(("ioctl", request) for request in (0x40086602, 0x401C5820, 0x40806685)),
    ]
    assert {decide(program, machine, number(machine, name), 3, what) for name, what in calls} == {REFUSE}
    assert decide(program, machine, number(machine, "fcntl"), 3, 1035) == seccomp.ALLOW  # to look at a hint


def test_files_may_be_labelled_only_where_they_are_the_workers_own(machine: str) -> None:
    private, shared = (seccomp.program(machine, None, private_files=p) for p in (True, False))
    call = number(machine, "fchmod")
    assert (decide(private, machine, call), decide(shared, machine, call)) == (seccomp.ALLOW, REFUSE)


def test_calls_of_tomorrow_do_not_exist_and_foreign_ones_kill(machine: str) -> None:
    program = seccomp.program(machine, None, private_files=True)
    assert decide(program, machine, seccomp.NEWEST + 1) == UNKNOWN
    other = next(m for m in ARCHITECTURES if m != machine)
    assert decide(program, other, 0) == seccomp.KILL
    x32 = decide(program, machine, 0x40000000)
    assert x32 == (seccomp.KILL if machine == "x86_64" else UNKNOWN)
