"""Where one more submission's time goes: CPU milliseconds in each kind of process, from the slope over two classes.

    python -m benchmarks.submission                        # 20 and 80 submissions, once
    python -m benchmarks.submission --rounds 3 --sizes 20 120

The fifteen layer checks of peers.py, graded by the whole command with the walls up. Starting costs the same in both
classes, so it falls out of the difference; what is left is what a further submission costs. Every process of the tree
is looked at twenty times a second: the coordinator (`grader grade`: store, pages), the judge (checks), the zygote
(which forks), and the workers, as far as the zygote has buried them.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import statistics
import sys
import tempfile
import threading
from pathlib import Path

from benchmarks.graders import content, measured, ours

TICKS = os.sysconf("SC_CLK_TCK")
KINDS = ("coordinator", "judge", "zygote", "workers")
Spent = dict[str, float]  # CPU seconds by kind of process


class Meter:
    """Looks at every process below this one; what each had used when it was last seen counts."""

    def __init__(self) -> None:
        self._own: dict[int, tuple[str, float]] = {}
        self._buried: dict[int, float] = {}  # by zygote
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Meter:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.05):
            for pid in measured.tree(os.getpid())[1:]:
                with contextlib.suppress(OSError):
                    self._look(pid)

    def _look(self, pid: int) -> None:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()  # b"" of one that is dead, whose numbers are its last
        kind = _kind(command) if command or pid not in self._own else self._own[pid][0]
        # After the name: state, parent, group, ...; user, system and the two of the children that were waited for.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        parent, group = int(fields[1]), int(fields[2])
        own, children = (sum(map(int, fields[i : i + 2])) / TICKS for i in (11, 13))
        if kind == "zygote" and group == pid and self._own.get(parent, ("",))[0] == "zygote":
            self._own.pop(pid, None)  # a worker leads a group of its own; its zygote will tell of it
            return
        self._own[pid] = kind, own
        if kind == "zygote" and command:  # of a dead one, what its last child had buried would be among it
            self._buried[pid] = children

    @property
    def spent(self) -> Spent:
        """By kind, in the order of KINDS."""
        of = {kind: sum(s for k, s in self._own.values() if k == kind) for kind in KINDS}
        return of | {"workers": sum(self._buried.values())}


def _kind(command: bytes) -> str:
    if b"grader.untrusted.zygote" in command:
        return "zygote"
    return "judge" if b"bench" in command or b"multiprocessing" in command else "coordinator"


def measure(count: int) -> Spent:
    """Grade a class of so many; every score must be right."""
    with tempfile.TemporaryDirectory(prefix="submission-", ignore_cleanup_errors=True) as name:
        grader = ours.Torchgrader()
        grader.prepare(Path(name), Path(sys.executable))
        with Meter() as meter:
            cost, scores = grader.grade(Path(name), content.students(count))
    if scores != content.right_scores(count):
        raise ValueError(f"other scores than there should be:\n{cost.output[-1500:]}")
    return meter.spent | {"all": cost.cpu, "wall": cost.wall}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs=2, default=(20, 80), help="submissions of the two classes")
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    few, many = given.sizes
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    rounds = [(measure(few), measure(many)) for _ in range(given.rounds)]
    print(f"\n| process | CPU s for {few} | CPU s for {many} | ms for one more |\n|---|---|---|---|")
    for kind in (*KINDS, "all", "wall"):
        small, large = (statistics.median(r[i][kind] for r in rounds) for i in (0, 1))
        each = [1000 * (b[kind] - a[kind]) / (many - few) for a, b in rounds]
        spread = f" ({', '.join(f'{e:.1f}' for e in each)})" if len(each) > 1 else ""
        print(f"| {kind} | {small:.2f} | {large:.2f} | {statistics.median(each):.1f}{spread} |")


if __name__ == "__main__":
    main()
