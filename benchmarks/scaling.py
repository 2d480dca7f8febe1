"""What a second processor and a second job bring, held against what a second processor brings to anything at all.

    python -m benchmarks.scaling                       # three rounds, or as many as there are nine minutes for
    python -m benchmarks.scaling --rounds 1 --students 20 --trainings 2 --networks 1

Two virtual processors may share a core, so the ceiling is measured first: two processes that have nothing to do with
each other, side by side, against one alone. Then the layer questions of a class, trainings by themselves (LeNet, 1,000
drawn images), and a class of which everybody hands in another LeNet, each in alternation with one job held on one
processor, with one job, and with two jobs. Efficiency is the first's wall time over twice the last's: that of one
processor over that of two, for the same work. With one job judge, worker, coordinator and trainings overlap already, so
what the second job adds to that is another column. "Of the ceiling" is the efficiency over the ceiling's; "after the
start" leaves out what comes before the first submission begins. On a machine with other work these numbers say nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
    "PYTHONPATH": str(ROOT),
}
os.environ.update(ONE_THREAD)
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as in measured.py

from benchmarks import networks  # noqa: E402  # torch comes with it, which reads the environment
from benchmarks.graders import content, measured, ours, plain  # noqa: E402
from grader.data.drawn import stand_in  # noqa: E402
from grader.recipe import Recipe  # noqa: E402
from grader.trainer import Job, PythonNetwork, Trainer  # noqa: E402

SECONDS = 540.0  # no round begins that would not end before
RECIPE = Recipe(10, 64, 0.03)
IMAGES = {"train_per_class": 100, "test_per_class": 20}
LOOPS = {
    "pure Python": "total = 0\nfor i in range(15_000_000):\n    total += i * i",
    "torch convolution": "for _ in range(200):\n    F.conv2d(x, w)",
}
COLUMNS = (
    *(f"{way}: {kind} s" for way in ("on 1 processor", "1 job", "2 jobs") for kind in ("wall", "CPU")),
    "efficiency",
    "of the ceiling",
    "2 jobs faster than 1",
)
HEAD = """
import sys, torch, torch.nn.functional as F
x, w = torch.ones(16, 16, 32, 32), torch.ones(32, 16, 5, 5)
F.conv2d(x, w)
print(flush=True)
sys.stdin.readline()
"""


@dataclass(frozen=True)
class Timed:
    """Seconds: by the clock, of the processors, and by the clock from the first submission on (0: there is none)."""

    wall: float
    cpu: float
    after: float = 0.0


def side_by_side(loop: str, processes: int) -> Timed:
    """So many processes, warm, that run the same loop at the same time; wall time is for two loops in all."""
    started = [_process(loop) for _ in range(processes)]
    for process in started:
        process.stdout.readline()  # type: ignore[union-attr]  # a pipe
    begin = time.perf_counter()
    for process in started:
        process.stdin.write("\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
    for process in started:
        process.communicate()
    return Timed((time.perf_counter() - begin) * 2 / processes, 0.0)


def _process(loop: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HEAD + loop]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def layers(students: int, jobs: int) -> Timed:
    """The whole command on a class with the layer questions alone."""
    with tempfile.TemporaryDirectory(prefix="scaling-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        ours.Torchgrader().prepare(folder, Path(sys.executable))
        plain.files(folder, content.students(students))
        return graded(folder, ["class", "-a", "layers", "--reference", "reference"], jobs)


def whole(count: int, jobs: int) -> Timed:
    """The whole command on a class with so many networks, each of another width."""
    from importlib import import_module

    submission = import_module("benchmarks.class").submission
    with tempfile.TemporaryDirectory(prefix="scaling-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "class").mkdir()
        for number in range(count):
            text = submission(number, count, every=0)
            (folder / "class" / f"s{number}.py").write_text(text, encoding="utf-8")
        stand_in(**IMAGES).save(folder / "small.safetensors")
        return graded(folder, ["class", "--data", "small.safetensors", "--recipe", "quick"], jobs)


def graded(folder: Path, options: list[str], jobs: int) -> Timed:
    """`grader grade` into a fresh folder with an empty cache. Raises RuntimeError where it does not grade all."""
    measured.adopt()
    command = [sys.executable, "-m", "grader.cli", "grade", *options, "-o", "out", "--jobs", str(jobs), "--json-lines"]
    environment = {**os.environ, "TORCHGRADER_CACHE": str(folder / "cache")}
    before, begin, first, last = measured.cpu(), time.perf_counter(), 0.0, 0.0
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            kind, now = json.loads(line)["event"], time.perf_counter()
            first = first or (now if kind == "began" else 0.0)
            last = now if kind == "finished" else last
    wall = time.perf_counter() - begin
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with exit code {process.returncode}")
    measured.reap()
    return Timed(wall, measured.cpu() - before, last - first)


def trainings(count: int, jobs: int) -> Timed:
    """So many LeNets by themselves, in so many processes that have trained one already."""
    file = Path(networks.__file__)
    with tempfile.TemporaryDirectory() as cache, Trainer(stand_in(**IMAGES), "cpu", jobs, Path(cache)) as trainer:

        def train(seeds: range) -> None:
            made = [trainer.submit(Job(PythonNetwork(file, "LeNet", s), RECIPE, wall_seconds=300)) for s in seeds]
            if bad := [m.result().reason for m in made if m.result().reason]:
                raise RuntimeError(bad[0])

        train(range(1000, 1000 + jobs))
        begin = time.perf_counter()
        train(range(count))
        return Timed(time.perf_counter() - begin, 0.0)


@dataclass(frozen=True)
class Row:
    """One thing that is measured with one job and with two; `ceiling` names the loop that it is held against."""

    title: str
    run: Callable[[int], Timed]
    ceiling: str = ""


@dataclass(frozen=True)
class Round:
    """One thing, once: one job held on one processor, one job, two jobs."""

    held: Timed
    one: Timed
    two: Timed

    @property
    def after(self) -> Round:
        """The same without the start."""
        return Round(*(Timed(timed.after, 0.0) for timed in (self.held, self.one, self.two)))

    @property
    def efficiency(self) -> float:
        """Of two processors, against one."""
        return self.held.wall / (2 * self.two.wall)

    @property
    def brought(self) -> float:
        """How many times as fast the second job made it."""
        return self.one.wall / self.two.wall


def measure(row: Row) -> Round:
    """All three, one after the other."""
    with held_on_one_processor():
        held = row.run(1)
    return Round(held, row.run(1), row.run(2))


@contextmanager
def held_on_one_processor() -> Iterator[None]:
    """This process and what it starts, while the block runs."""
    usual = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(usual)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, usual)


def rows(given: argparse.Namespace) -> list[Row]:
    """What is measured, the ceilings first."""
    return [
        *(Row(f"ceiling: {name}", lambda n, loop=loop: side_by_side(loop, n)) for name, loop in LOOPS.items()),  # type: ignore[misc]
        Row(f"layers, {given.students} submissions", lambda n: layers(given.students, n), "pure Python"),
        Row(f"{given.trainings} trainings alone", lambda n: trainings(given.trainings, n), "torch convolution"),
        Row(f"a class with {given.networks} networks", lambda n: whole(given.networks, n), "torch convolution"),
    ]


def table(wanted: list[Row], found: Mapping[str, list[Round]]) -> str:
    """Medians over the rounds."""
    lines = [
        f"| | {' | '.join(COLUMNS)} |",
        "|" + "---|" * (len(COLUMNS) + 1),
    ]
    ceilings: dict[str, float] = {}
    for row in wanted:
        parts = {row.title: found[row.title]}
        if parts[row.title][0].two.after:
            parts["... after the start"] = [each.after for each in found[row.title]]
        for title, rounds in parts.items():
            share = statistics.median(each.efficiency for each in rounds)
            ceilings.setdefault(row.title.removeprefix("ceiling: "), share)
            of = f"{share / ceilings[row.ceiling]:.2f}" if row.ceiling else ""
            brought = statistics.median(each.brought for each in rounds)
            lines.append(f"| {title} | {_seconds(rounds)} | {share:.2f} | {of} | {brought:.2f} |")
    return "\n".join(lines)


def _seconds(rounds: list[Round]) -> str:
    """Wall and CPU seconds of each way, medians; those of the processors only where they were taken."""
    cells = []
    for way in ("held", "one", "two"):
        timed: list[Timed] = [getattr(each, way) for each in rounds]
        cpu = statistics.median(t.cpu for t in timed)
        cells += [f"{statistics.median(t.wall for t in timed):.1f}", f"{cpu:.1f}" if cpu else ""]
    return " | ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--students", type=int, default=200)
    parser.add_argument("--trainings", type=int, default=8)
    parser.add_argument("--networks", type=int, default=16)
    given = parser.parse_args()
    begin, wanted = time.monotonic(), rows(given)
    found: dict[str, list[Round]] = {row.title: [] for row in wanted}
    for number in range(given.rounds):
        if number and (time.monotonic() - begin) * (number + 1) / number > SECONDS:
            break
        print(f"round {number + 1}: {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}", flush=True)
        for row in wanted:
            each = measure(row)
            found[row.title].append(each)
            print(f"  {row.title}: {each.held.wall:.1f}, {each.one.wall:.1f}, {each.two.wall:.1f} s", flush=True)
    print(f"\n{table(wanted, found)}")


if __name__ == "__main__":
    main()
