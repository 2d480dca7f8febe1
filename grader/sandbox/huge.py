"""Memory in huge pages, for a process that forks many: a fork copies less of it, and a worker stumbles less often.

Theory of operation. Of private memory a fork copies an entry for each page, or one for 512 of them in a huge page. Of
the code of libraries it copies nothing, so a worker has to find each page of what it runs again, by a fault each: a
seventh of its faults, and of those the dear ones. Code that lies in private memory in huge pages is there at once, and
its addresses are found faster, too. So what a rehearsal has run is moved there: the same bytes at the same address, at
no moment both writable and to be run. Where the kernel has no huge pages for it, everything stays as it was.

No wall. Standard library only; Linux.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from grader.sandbox import kernel

HUGE = 2 << 20
PAGE = os.sysconf("SC_PAGESIZE")
PIECE = 16  # pages of a file that the kernel maps at one fault, at most
ENTRY = 8  # bytes of /proc/self/pagemap for a page; the highest bit says that it is there


def heap() -> int:
    """Put this process's private memory into huge pages; says how many ranges.

    Without it (Linux before 6.1) a fork takes four times as long.
    """
    private = [_inner(*place) for *place, rights, file in _maps() if rights == "rw-p" and file in ("", "[heap]")]
    return sum(kernel.collapse(start, end - start) for start, end in private if end > start)


def code(blocks: Iterable[int]) -> int:
    """Put the code at these addresses, a huge page each, into private memory; says how much of it was put there."""
    return sum(kernel.move_code(block, HUGE) for block in blocks)


def run_by(rehearsal: Callable[[], object]) -> list[int]:
    """Where the code of libraries lies that is run in `rehearsal`: addresses of huge pages. It runs in a fork.

    Where it takes but one piece of a huge page, that is not worth the whole.
    """
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            rehearsal()
            os.write(theirs, " ".join(map(str, _used())).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as told:
        found = told.read()
    os.waitpid(pid, 0)
    return [int(block) for block in found.split()]


def _used() -> Iterator[int]:
    """The huge pages of library code of which this process has mapped more than a piece since it was forked."""
    with Path("/proc/self/pagemap").open("rb", buffering=0) as pages:
        for start, end, rights, file in _maps():
            if rights != "r-xp" or not file.startswith("/"):
                continue
            for block in range(*_inner(start, end), HUGE):
                pages.seek(block // PAGE * ENTRY)
                entries = pages.read(HUGE // PAGE * ENTRY)
                if sum(highest >> 7 for highest in entries[ENTRY - 1 :: ENTRY]) > PIECE:
                    yield block


def _inner(start: int, end: int) -> tuple[int, int]:
    """The part of a range that is made of whole huge pages."""
    return -(-start // HUGE) * HUGE, end // HUGE * HUGE


def _maps() -> Iterator[tuple[int, int, str, str]]:
    """What is mapped in this process: from, to, rights, and which file."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        place, rights, _, _, _, *file = line.split(maxsplit=5)
        start, end = (int(part, 16) for part in place.split("-"))
        yield start, end, rights, file[0] if file else ""
