"""Processes that are forked from a trusted one, and what each does first. Linux only, but for `end_with_parent`.

A fork has every descriptor of its mother, and as long as one process holds an end of a connection the other end does
not learn that whom it talks to is dead.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

MOST_DESCRIPTORS = 1 << 20


def fork(name: str, keep: Iterable[int], life: Callable[[], object]) -> int:
    """Fork a process that settles, lives its `life` and ends; its process id. Raises RuntimeError from a second thread.

    It never comes back, so that all its mother refers to stays. What it raises are its last words, on standard error.
    """
    _refuse_threads()
    mother = os.getpid()
    if pid := os.fork():
        return pid
    code = 1
    try:
        _settle(name, mother, keep)
        life()
        code = 0
    except BaseException:  # noqa: BLE001  # the last words of this process
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _settle(name: str, mother: int, keep: Iterable[int]) -> None:
    """Close every descriptor but standard input, output and error and those to `keep`; end when `mother` does.

    The process is shown as `name` by ps and top. Objects that own a closed descriptor must stay referenced, or they
    would close one that has its number since.
    """
    end_with(mother)
    with contextlib.suppress(OSError):  # some containers have /proc read-only
        Path("/proc/self/comm").write_text(name, encoding="ascii")
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    first = 3
    for fd in sorted(keep):
        os.closerange(first, fd)
        first = fd + 1
    os.closerange(first, MOST_DESCRIPTORS)


def end_with(mother: int) -> None:
    """Be killed when the process that started this one ends, killed or not."""
    from grader.sandbox import kernel  # only Linux has it

    kernel.prctl(kernel.SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != mother:  # it has ended meanwhile, and the kernel would not say so any more
        os._exit(1)


def end_with_parent() -> None:
    """For one that multiprocessing has spawned, on every system: a thread watches for the end of who started it.

    In the middle of a training it says nothing and reads nothing for minutes, and would go on for nobody.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101  # only ever called in such a process

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _refuse_threads() -> None:
    """Raise RuntimeError unless this process has one thread: the locks of others would never be released in a fork."""
    count = len(list(Path("/proc/self/task").iterdir()))
    if count != 1:
        raise RuntimeError(f"a process with {count} threads was to be forked")
