"""The filter of system calls: refused by name, over the other walls. Standard library only.

Theory of operation. A deny-list, not an allow-list: torch, the C library and Python change what they call, and the
other walls already stand. Refused calls fail with EPERM, so that ordinary code sees an ordinary error. A call that came
into Linux after this list was made does not exist (ENOSYS), and so does clone3, whose flags a filter cannot see: the C
library then uses clone, whose flags it can. Calls of another architecture (x32 and 32-bit ones on x86-64) end the
process. A filter looks at numbers and registers, never at memory.

Threads are allowed and processes are not; that alone ends fork bombs, and makes the death of the worker the death of
all that it started, even where there is no PID namespace.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Mapping

NEWEST = 462  # mseal, Linux 6.10: what is numbered higher was not looked at

ARCHITECTURES: Mapping[str, tuple[int, int]] = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Machine -> its column in the tables, and its number in a filter's data."""

ALLOW, KILL = 0x7FFF0000, 0x80000000
REFUSE = 0x00050000 | errno.EPERM
UNKNOWN = 0x00050000 | errno.ENOSYS

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _JUMP, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x05, 0x06
_NUMBER, _ARCHITECTURE = 0, 4  # offsets in struct seccomp_data
_X32 = 0x40000000

_THREAD = 0x00010000
_NEW_NAMESPACES = 0x7E020080
_SHARED_ANONYMOUS = 0x21
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: type into the terminal that the grader was started from
_OWNERS = (0x8901, 0x8902)  # FIOSETOWN, SIOCSPGRP: who is signalled, as below
# FS_IOC_SETFLAGS, its 32-bit form, FS_IOC_FSSETXATTR, FS_IOC_SETVERSION, FS_IOC_ENABLE_VERITY: a file's owner may set
# them where it may only be read.
_MARKS = (0x40086602, 0x40046602, 0x401C5820, 0x40087602, 0x40806685)
_URGENT = 0x1  # MSG_OOB: out of band on a local socket, which nothing uses and has had holes
_LOCKS = (6, 7, 37, 38, 1024, 1026, 1031)  # fcntl: locks and leases on files that others read, and larger pipes
_SIGNALS = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX: have the kernel signal anybody about a file
_HINTS = (1036, 1038)  # F_SET_RW_HINT, F_SET_FILE_RW_HINT: a number that the next reader of the file finds there

Instruction = bytes
Numbers = Mapping[str, tuple[int | None, int | None]]
"""Name -> its numbers on x86-64 and aarch64."""


def _numbers(text: str) -> Numbers:
    entries = [word.split("=") for word in text.split() if "=" in word]
    return {name: _pair(*numbers.split(",")) for name, numbers in entries}


def _pair(x86_64: str, aarch64: str) -> tuple[int | None, int | None]:
    return (None if x86_64 == "-" else int(x86_64), None if aarch64 == "-" else int(aarch64))


REFUSED = _numbers(
    """
    processes and programs:
        fork=57,- vfork=58,- execve=59,221 execveat=322,281
    the network, local sockets by name included:
        socket=41,198
    other processes:
        ptrace=101,117 process_vm_readv=310,270 process_vm_writev=311,271 process_madvise=440,440
        process_mrelease=448,448 kcmp=312,272 pidfd_open=434,434 pidfd_getfd=438,438 pidfd_send_signal=424,424
    memory that RLIMIT_DATA does not count:
        memfd_create=319,279 memfd_secret=447,447 remap_file_pages=216,234
    objects that outlive a process, or that processes share:
        shmget=29,194 shmat=30,196 shmctl=31,195 shmdt=67,197 msgget=68,186 msgsnd=69,189 msgrcv=70,188
        msgctl=71,187 semget=64,190 semop=65,193 semtimedop=220,192 semctl=66,191 mq_open=240,180 mq_unlink=241,181
        mq_timedsend=242,182 mq_timedreceive=243,183 mq_notify=244,184 mq_getsetattr=245,185 keyctl=250,219
        add_key=248,217 request_key=249,218
    marks on files that others use:
        flock=73,32 fanotify_init=300,262 fanotify_mark=301,263 inotify_init=253,- inotify_init1=294,26
        inotify_add_watch=254,27 name_to_handle_at=303,264 open_by_handle_at=304,265 quotactl=179,60
        quotactl_fd=443,443 acct=163,89 swapon=167,224 swapoff=168,225 sync=162,81 syncfs=306,267
    namespaces and mounts:
        unshare=272,97 setns=308,268 mount=165,40 umount2=166,39 pivot_root=155,41 chroot=161,51 open_tree=428,428
        move_mount=429,429 fsopen=430,430 fsconfig=431,431 fsmount=432,432 fspick=433,433 mount_setattr=442,442
        statmount=457,457 listmount=458,458
    identity:
        setuid=105,146 setgid=106,144 setreuid=113,145 setregid=114,143 setresuid=117,147 setresgid=119,149
        setfsuid=122,151 setfsgid=123,152 setgroups=116,159 capset=126,91 personality=135,92
        lsm_set_self_attr=460,460
    the machine:
        init_module=175,105 finit_module=313,273 delete_module=176,106 create_module=174,- kexec_load=246,104
        kexec_file_load=320,294 reboot=169,142 sethostname=170,161 setdomainname=171,162 settimeofday=164,170
        clock_settime=227,112 clock_adjtime=305,266 adjtimex=159,171 syslog=103,116 iopl=172,- ioperm=173,-
        modify_ldt=154,- vhangup=153,58 uselib=134,- move_pages=279,239 migrate_pages=256,238
    kernel interfaces with a history of holes:
        bpf=321,280 perf_event_open=298,241 userfaultfd=323,282 io_uring_setup=425,425 io_uring_enter=426,426
        io_uring_register=427,427 vmsplice=278,75 splice=275,76 tee=276,77 lookup_dcookie=212,18 nfsservctl=180,42
    descriptors in messages, which count against a user's other processes and have a history of holes too:
        sendmsg=46,211 recvmsg=47,212 sendmmsg=307,269 recvmmsg=299,243
    """
)
"""Refused to every worker."""

LABELS = _numbers(
    """
    chmod=90,- fchmod=91,52 fchmodat=268,53 fchmodat2=452,452 chown=92,- lchown=94,- fchown=93,55 fchownat=260,54
    utime=132,- utimes=235,- utimensat=280,88 futimesat=261,- setxattr=188,5 lsetxattr=189,6 fsetxattr=190,7
    removexattr=197,14 lremovexattr=198,15 fremovexattr=199,16 truncate=76,45
    """
)
"""What marks files that one cannot open for writing: owner, mode, times, attributes. Landlock does not cover it."""

OTHERS = _numbers(
    """
    tkill=200,130 setpriority=141,140 ioprio_set=251,30
    """
)
"""What acts on other processes and cannot be told apart by its first argument."""

INSPECTED = _numbers(
    """
    clone=56,220 clone3=435,435 mmap=9,222 ioctl=16,29 fcntl=72,25 kill=62,129 tgkill=234,131
    rt_sigqueueinfo=129,138 rt_tgsigqueueinfo=297,240 prlimit64=302,261 sched_setparam=142,118 sched_setattr=314,274
    sched_setaffinity=203,122 sched_setscheduler=144,119 sendto=44,206 recvfrom=45,207
    """
)
"""Allowed or refused by what they are asked."""


def program(machine: str, own_pid: int | None, *, private_files: bool) -> bytes:
    """The filter for a worker on this kind of machine. Raises KeyError for one that is not in ARCHITECTURES.

    `own_pid` is the only process it may signal or schedule, None where it can name no other. With `private_files` (a
    mount namespace) what it can write is its own, so it may set owner, mode and times.
    """
    column, architecture = ARCHITECTURES[machine]

    def of(names: Iterable[str], table: Numbers) -> list[int]:
        return [number for name in names if (number := table[name][column]) is not None]

    refused = of(REFUSED, REFUSED)
    if not private_files:
        refused += of(LABELS, LABELS)
    if own_pid is not None:
        refused += of(OTHERS, OTHERS)
    (clone3,) = of(["clone3"], INSPECTED)
    code = [_op(_LOAD, _ARCHITECTURE), _op(_EQUAL, architecture, 1, 0), _op(_RETURN, KILL), _op(_LOAD, _NUMBER)]
    if machine == "x86_64":
        code += [_op(_AT_LEAST, _X32, 0, 1), _op(_RETURN, KILL)]
    code += [_op(_AT_LEAST, NEWEST + 1, 0, 1), _op(_RETURN, UNKNOWN), _op(_EQUAL, clone3, 0, 1), _op(_RETURN, UNKNOWN)]
    code += _refuse(refused)
    for name, body in _bodies(own_pid).items():
        for number in of([name], INSPECTED):
            code += [_op(_EQUAL, number, 0, len(body)), *body]
    return b"".join([*code, _op(_RETURN, ALLOW)])


def _bodies(own_pid: int | None) -> dict[str, list[Instruction]]:
    """For each call that is inspected, the instructions that decide it; every way through them returns."""
    in_band = [_op(_LOAD, _argument(3)), _op(_ANY_BIT, _URGENT, 0, 1), _op(_RETURN, REFUSE), _op(_RETURN, ALLOW)]
    bodies = {
        "clone": [
            _op(_LOAD, _argument(0)),
            _op(_ANY_BIT, _NEW_NAMESPACES, 1, 0),
            _op(_ANY_BIT, _THREAD, 1, 0),
            _op(_RETURN, REFUSE),
            _op(_RETURN, ALLOW),
        ],
        "mmap": [
            _op(_LOAD, _argument(3)),
            _op(_AND, _SHARED_ANONYMOUS),
            _op(_EQUAL, _SHARED_ANONYMOUS, 0, 1),
            _op(_RETURN, REFUSE),
            _op(_RETURN, ALLOW),
        ],
        "sendto": in_band,
        "recvfrom": in_band,
        "ioctl": [_op(_LOAD, _argument(1)), *_refuse(_TERMINAL_INPUT + _OWNERS + _MARKS), _op(_RETURN, ALLOW)],
        "fcntl": [_op(_LOAD, _argument(1)), *_refuse(_LOCKS + _SIGNALS + _HINTS), _op(_RETURN, ALLOW)],
    }
    if own_pid is not None:
        on_itself = [
            _op(_LOAD, _argument(0)),
            _op(_EQUAL, 0, 2, 0),
            _op(_EQUAL, own_pid, 1, 0),
            _op(_RETURN, REFUSE),
            _op(_RETURN, ALLOW),
        ]
        bodies |= {name: on_itself for name in INSPECTED if name not in (*bodies, "clone3")}
    return bodies


def _refuse(values: Iterable[int]) -> list[Instruction]:
    """Refuse when the accumulator is one of `values`, else go on."""
    values = list(values)
    tests = [_op(_EQUAL, value, len(values) - i, 0) for i, value in enumerate(values)]
    return [*tests, _op(_JUMP, 1), _op(_RETURN, REFUSE)]


def _argument(index: int) -> int:
    """The offset of the lower half of an argument: all that the kernel itself reads of those inspected here."""
    return 16 + 8 * index


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> Instruction:
    return struct.pack("=HBBI", code, if_true, if_false, value)
