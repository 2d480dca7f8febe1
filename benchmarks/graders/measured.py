"""A command and all that it starts, measured: CPU seconds, wall seconds, peak memory."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PR_SET_CHILD_SUBREAPER = 36
Command = Sequence[str | Path]
LIMIT = 900.0  # seconds of wall time for one command


@dataclass(frozen=True)
class Cost:
    """`cpu` and `wall` in seconds; `memory` in MiB: the largest resident process of the tree."""

    cpu: float
    wall: float
    memory: float
    code: int
    output: str
    killed: bool = False


def adopt() -> None:
    """Orphans of the measured tree become ours to wait for, so that their CPU time is counted."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(command: Command, cwd: Path, env: Mapping[str, str] | None = None) -> Cost:
    """Run it to its end and collect every orphan. After LIMIT seconds its tree is killed."""
    adopt()
    before = cpu()
    start = time.perf_counter()
    # A tool of a virtual environment finds its own helpers, as if that were activated.
    path = f"{Path(command[0]).parent}:{os.environ['PATH']}"
    # Modules stay compiled, as they do on anybody's machine: some containers ask Python to write nothing beside them.
    ours = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    whole = {**ours, "PATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **(env or {})}
    process = subprocess.Popen(
        [str(c) for c in command], cwd=cwd, env=whole, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
    )  # fmt: skip
    watch = _Peak(process.pid)
    try:
        output, _ = process.communicate(timeout=LIMIT)
        killed = False
    except subprocess.TimeoutExpired:
        killed = True
        for pid in tree(process.pid):  # a kernel of Jupyter has a session of its own
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        output, _ = process.communicate()
    wall = time.perf_counter() - start
    watch.stop()
    reap()
    return Cost(cpu() - before, wall, watch.peak, process.returncode, output, killed)


def cpu() -> float:
    """User and system seconds of all children that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def reap() -> None:
    """Collect the orphans that have ended, so that their time is counted."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


class _Peak:
    """The largest VmHWM in the tree under a process, looked at four times a second."""

    def __init__(self, root: int) -> None:
        self.peak = 0.0
        self._root = root
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.25):
            for pid in tree(self._root):
                with contextlib.suppress(OSError, StopIteration):
                    status = Path(f"/proc/{pid}/status").read_text()
                    line = next(row for row in status.splitlines() if row.startswith("VmHWM"))
                    self.peak = max(self.peak, int(line.split()[1]) / 1024)


def tree(root: int) -> list[int]:
    """The process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
            parents.setdefault(parent, []).append(int(stat.parent.name))
    found = [root]
    for pid in found:  # grows while it is walked
        found.extend(parents.get(pid, []))
    return found


def total(costs: Sequence[Cost]) -> Cost:
    """Several commands one after another as one."""
    return Cost(
        sum(c.cpu for c in costs),
        sum(c.wall for c in costs),
        max(c.memory for c in costs),
        max(c.code for c in costs),
        "".join(c.output for c in costs),
        any(c.killed for c in costs),
    )


def read_json(path: Path) -> dict[str, Any]:
    """A file of results; empty when there is none or it cannot be read."""
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return {}
