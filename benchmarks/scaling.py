"""What a second job brings, held against what a second processor of this machine brings at all.

    python -m benchmarks.scaling                       # three rounds, or as many as there are six minutes for
    python -m benchmarks.scaling --rounds 1 --students 20 --trainings 2 --networks 1

Two virtual processors may share a core, so the ceiling is measured first: two processes that have nothing to do with
each other, side by side, against one alone. Then, each with one job and with two, in alternation: the layer questions
of a class, trainings by themselves (LeNet, 1,000 drawn images), and a class of which everybody hands in another LeNet.
Efficiency is the wall time with one over twice that with two, for the same work; "of the ceiling" is that over the
ceiling's. "After the start" leaves out what comes before the first submission begins. On a machine with other work
these numbers say nothing.
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
from collections.abc import Callable, Mapping
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

SECONDS = 350.0  # no round begins that would not end before
RECIPE = Recipe(10, 64, 0.03)
IMAGES = {"train_per_class": 100, "test_per_class": 20}
LOOPS = {
    "pure Python": "total = 0\nfor i in range(15_000_000):\n    total += i * i",
    "torch convolution": "for _ in range(200):\n    F.conv2d(x, w)",
}
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


def rows(given: argparse.Namespace) -> list[Row]:
    """What is measured, the ceilings first."""
    return [
        *(Row(f"ceiling: {name}", lambda n, loop=loop: side_by_side(loop, n)) for name, loop in LOOPS.items()),  # type: ignore[misc]
        Row(f"layers, {given.students} submissions", lambda n: layers(given.students, n), "pure Python"),
        Row(f"{given.trainings} trainings alone", lambda n: trainings(given.trainings, n), "torch convolution"),
        Row(f"a class with {given.networks} networks", lambda n: whole(given.networks, n), "torch convolution"),
    ]


def table(wanted: list[Row], found: Mapping[str, list[tuple[Timed, Timed]]]) -> str:
    """Medians over the rounds."""
    lines = [
        "| | 1 job: wall s | CPU s | 2 jobs: wall s | CPU s | efficiency | of the ceiling |",
        "|---|---|---|---|---|---|---|",
    ]
    ceilings: dict[str, float] = {}
    for row in wanted:
        pairs = found[row.title]
        parts = {row.title: [(a.wall, b.wall) for a, b in pairs]}
        if pairs[0][0].after:
            parts["... after the start"] = [(a.after, b.after) for a, b in pairs]
        cpus = [f"{statistics.median(p[i].cpu for p in pairs):.1f}" if pairs[0][i].cpu else "" for i in (0, 1)]
        for title, walls in parts.items():
            share = statistics.median(a / (2 * b) for a, b in walls)
            ceilings.setdefault(row.title.removeprefix("ceiling: "), share)
            of = f"{share / ceilings[row.ceiling]:.2f}" if row.ceiling else ""
            one, two = (statistics.median(w[i] for w in walls) for i in (0, 1))
            lines.append(f"| {title} | {one:.1f} | {cpus[0]} | {two:.1f} | {cpus[1]} | {share:.2f} | {of} |")
            cpus = ["", ""]  # they are of the whole command
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--students", type=int, default=200)
    parser.add_argument("--trainings", type=int, default=8)
    parser.add_argument("--networks", type=int, default=16)
    given = parser.parse_args()
    begin, wanted = time.monotonic(), rows(given)
    found: dict[str, list[tuple[Timed, Timed]]] = {row.title: [] for row in wanted}
    for number in range(given.rounds):
        if number and (time.monotonic() - begin) * (number + 1) / number > SECONDS:
            break
        print(f"round {number + 1}: {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}", flush=True)
        for row in wanted:
            one, two = row.run(1), row.run(2)
            found[row.title].append((one, two))
            print(f"  {row.title}: {one.wall:.1f} and {two.wall:.1f} s", flush=True)
    print(f"\n{table(wanted, found)}")


if __name__ == "__main__":
    main()
