"""Whose processor time a grading of layer questions is: the coordinator's, the bench's, judges', zygotes', workers'.

    python -m benchmarks.parts                              # four rounds, 200 submissions, one job
    python -m benchmarks.parts --beside ../another          # in alternation with another checkout

Linux only. Times are what the kernel's scheduler counts (/proc/PID/schedstat); what is left of the whole is workers'.
Each round grades into a folder that is only removed at the end: ext4 looks in vain, for a minute, at what was removed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from benchmarks.graders import content, measured, ours, plain

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("coordinator", "bench", "judge", "zygote", "workers", "all", "wall")
LOOK_SECONDS = 0.02


class Clocks:
    """The processor seconds of the processes of a grading that live long, by kind; followed until it is stopped."""

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}
        self._kinds: dict[int, str] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def stop(self) -> dict[str, float]:
        """What was seen last of each, added up."""
        self._done.set()
        self._thread.join()
        found: dict[str, float] = {}
        for pid, kind in self._kinds.items():
            found[kind] = found.get(kind, 0.0) + self._seconds.get(pid, 0.0)
        return found

    def _follow(self) -> None:
        while not self._done.wait(LOOK_SECONDS):
            for coordinator in _children(os.getpid()):
                self._kinds.setdefault(coordinator, "coordinator")
                self._look_below(coordinator)
            for pid in self._kinds:
                with contextlib.suppress(OSError, IndexError):
                    self._seconds[pid] = max(_on_processor(pid), self._seconds.get(pid, 0.0))

    def _look_below(self, coordinator: int) -> None:
        for bench in _children(coordinator):
            self._kinds.setdefault(bench, "bench")
            for child in _children(bench):
                is_judge = _name(child) == "judge"
                self._kinds[child] = "judge" if is_judge else "zygote"
                for zygote in [] if is_judge else _children(child):  # its first process opens the namespaces
                    self._kinds.setdefault(zygote, "zygote")


def _children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            yield from map(int, task.read_text().split())


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _on_processor(pid: int) -> float:
    """Seconds of all threads."""
    files = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def graded(folder: Path, out: Path, tree: Path, jobs: int) -> dict[str, float]:
    """Seconds by kind of one grading of the class in `folder`, by the engine in `tree`."""
    given = ["-a", "layers", "--reference", "reference", "-o", str(out), "--jobs", str(jobs)]
    clocks = Clocks()
    command = [sys.executable, "-m", "grader.cli", "grade", "class", *given]
    cost = measured.run(command, folder, {"PYTHONPATH": str(tree)})
    found = clocks.stop()
    if cost.code:
        raise SystemExit(cost.output)
    return {**found, "workers": cost.cpu - sum(found.values()), "all": cost.cpu, "wall": cost.wall}


def table(rounds: dict[str, list[dict[str, float]]], students: int) -> str:
    """As Markdown: medians, lowest and highest."""
    lines = [f"| CPU s of {students} submissions | {' | '.join(rounds)} |", f"|---|{'---|' * len(rounds)}"]
    for kind in KINDS:
        values = [[found.get(kind, 0.0) for found in each] for each in rounds.values()]
        cells = [f"{statistics.median(v):.2f} ({min(v):.2f} to {max(v):.2f})" for v in values]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--students", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--beside", type=Path, help="another checkout, with the same Python")
    given = parser.parse_args()
    trees = {"this": ROOT} | ({"beside": given.beside.resolve()} if given.beside else {})
    rounds: dict[str, list[dict[str, float]]] = {which: [] for which in trees}
    with tempfile.TemporaryDirectory(prefix="parts-") as name:
        folder = Path(name)
        ours.Torchgrader().prepare(folder, Path(sys.executable))
        plain.files(folder, content.students(given.students))
        for which, tree in trees.items():
            graded(folder, folder / f"{which}-first", tree, given.jobs)
        for number in range(given.rounds):
            for which in list(trees)[:: 1 if number % 2 else -1]:
                rounds[which].append(graded(folder, folder / f"{which}-{number}", trees[which], given.jobs))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n\n{table(rounds, given.students)}")


if __name__ == "__main__":
    main()
