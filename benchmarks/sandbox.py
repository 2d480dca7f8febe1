"""What the walls cost: a bare fork of a warm zygote, then wall after wall, then whole workers, 400 of them in a row.

    python benchmarks/sandbox.py [--rounds N] [--workers N] [--json FILE]

CPU is user and system time of the child and of the zygote around it; wall is from the fork to the child's first byte,
and to its burial. Arms are interleaved within a round, because a shared machine changes from round to round; medians.
Needs a machine that reaches level 4.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", OMP_WAIT_POLICY="passive")
os.environ["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"  # of the processes to be started, as a zygote's

from grader import sandbox
from grader.sandbox.blueprint import NAMESPACES, Blueprint, Setup, Trap, Wall

ALLOWED = (1 << 33, 60)
STEPS: tuple[tuple[str, frozenset[Wall]], ...] = (
    ("own descriptors", frozenset({Wall.DESCRIPTORS})),
    ("+ limits, capabilities, no new privileges", frozenset({Wall.LIMITS, Wall.CAPABILITIES, Wall.NO_NEW_PRIVILEGES})),
    ("+ Landlock", frozenset({Wall.LANDLOCK})),
    ("+ seccomp", frozenset({Wall.SECCOMP})),
    ("+ own user id", frozenset({Wall.UID})),
    ("+ ipc, uts, pid, mount namespaces", NAMESPACES - {Wall.NETWORK}),
    ("+ network namespace", frozenset({Wall.NETWORK})),
)


@dataclass(frozen=True)
class Sample:
    """One child, in milliseconds."""

    cpu: float
    ready: float
    buried: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--workers", type=int, default=400)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--forks", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.forks:
        forks(arguments.rounds, Blueprint.from_body(json.loads(arguments.forks)))
        return
    chosen = sandbox.choose(require=4)
    command = [sys.executable, __file__, "--rounds", str(arguments.rounds), "--forks"]
    done = subprocess.run(
        [*command, json.dumps(chosen.blueprint.to_body())], capture_output=True, text=True, check=True
    )
    arms = json.loads(done.stdout)
    whole = workers(arguments.workers, chosen)
    cold = cold_start()
    show(arms, whole, cold)
    if arguments.json:
        arguments.json.write_text(json.dumps({"arms": arms, "workers": whole, "cold_cpu_ms": cold}, indent=2))


def forks(rounds: int, blueprint: Blueprint) -> None:
    """In a process of its own, for walls cannot be taken down: print a median per arm."""
    from grader.sandbox.ground import prepare

    with tempfile.TemporaryDirectory() as scratch:
        trap = Trap()
        ground = prepare(Setup(blueprint, scratch, trap.bait))
        os.environ["TMPDIR"] = tempfile.tempdir = scratch  # where torch may write
        from grader.untrusted import zygote

        zygote.warm(["torch"], networks=True, few=False)
        arms = arms_of(ground, blueprint)
        samples: dict[str, list[Sample]] = {name: [] for name in arms}
        for _ in range(rounds + 3):
            for name, arm in arms.items():
                samples[name].append(sample(*arm))
        print(json.dumps({name: medians(taken[3:]) for name, taken in samples.items()}))  # the first ones warm up
        sys.stdout.flush()
        os._exit(0)  # the parent of this process keeps the temporary folder


Arm = tuple[Callable[[], int], Callable[[int, int], None]]


def arms_of(ground: Any, blueprint: Blueprint) -> dict[str, Arm]:
    """A bare fork, then each step of walls on top of the one before, then the probes."""
    from grader.sandbox import linux

    def arm(walls: frozenset[Wall], probes: bool = False) -> Arm:
        setup = replace(ground.setup, blueprint=Blueprint(walls, blueprint.opener))
        mine = replace(ground, setup=setup, home=ground.home if Wall.PROCESSES in walls else None)
        linux.warm(mine)

        def enter(channel: int, uid: int) -> None:
            linux.enter(mine, uid, channel, 2, linux.Limits(*ALLOWED))
            if probes and not all(e.verified for e in linux.verify(mine) if e.applied):
                os._exit(1)

        return lambda: linux.fork(mine), enter

    arms: dict[str, Arm] = {"bare fork": (os.fork, no_walls)}
    walls: frozenset[Wall] = frozenset()
    for name, step in STEPS:
        walls |= step & blueprint.walls
        arms[name] = arm(walls)
    arms["+ probes (all)"] = arm(walls, probes=True)
    return arms


def no_walls(channel: int, _uid: int) -> None:
    os.dup2(channel, 3)


def sample(fork: Callable[[], int], enter: Callable[[int, int], None]) -> Sample:
    """Fork, build, say one byte, end."""
    reader, writer = os.pipe()
    own, began = time.process_time(), time.perf_counter()
    pid = fork()
    if pid == 0:
        enter(writer, 1_900_000_000)
        os.write(3, b"x")
        os._exit(0)
    os.close(writer)
    said = os.read(reader, 1)
    ready = time.perf_counter()
    _, status, usage = os.wait4(pid, 0)
    buried = time.perf_counter()
    os.close(reader)
    assert (said, status) == (b"x", 0), "a child failed"
    cpu = usage.ru_utime + usage.ru_stime + time.process_time() - own
    return Sample(1e3 * cpu, 1e3 * (ready - began), 1e3 * (buried - began))


def medians(samples: list[Sample]) -> dict[str, float]:
    return {name: round(statistics.median(getattr(s, name) for s in samples), 2) for name in ("cpu", "ready", "buried")}


def workers(count: int, chosen: sandbox.Sandbox) -> dict[str, float]:
    """Whole workers in a row, from the request to "ready" and to the last of them buried."""
    from grader.processes.origin import Zygote
    from grader.processes.process import Allowance

    with tempfile.TemporaryDirectory() as scratch:
        zygote = Zygote(Path(scratch), sandbox=chosen)
        allowance = Allowance(*ALLOWED[:1], output_bytes=1 << 16, cpu_seconds=60)
        zygote.worker(allowance).end()
        cpu, wall, private, descriptors = [], [], [], open_descriptors()
        for n in range(count):
            began = time.perf_counter()
            worker = zygote.worker(allowance)
            wall.append(1e3 * (time.perf_counter() - began))
            if n % 40 == 0:
                private.append(private_mib(descendants(zygote.pid)[-1]))
            cpu.append(1e3 * worker.end().cpu_seconds)
            assert worker.output == ""
        # The zygote, and above it the process that waits for it where it is process 1 of a namespace.
        survivors = len(descendants(zygote.pid)) - 1
        leaked = open_descriptors() - descriptors
        zygote.close()
    tenth = count // 4
    return {
        "count": count,
        "cpu_ms": round(statistics.median(cpu), 2),
        "ready_ms": round(statistics.median(wall), 2),
        "private_mib": round(statistics.median(private), 2),
        "first_quarter_cpu_ms": round(statistics.median(cpu[:tenth]), 2),
        "last_quarter_cpu_ms": round(statistics.median(cpu[-tenth:]), 2),
        "leaked_descriptors": leaked,
        "survivors": survivors,
    }


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def descendants(pid: int) -> list[int]:
    """All processes below one, parents first."""
    children = [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [d for child in children for d in (child, *descendants(child))]


def private_mib(pid: int) -> float:
    """Memory that is this process's alone."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def cold_start() -> float:
    """CPU milliseconds of a fresh interpreter that imports what a worker has; median of three."""
    taken = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", "import torch, torchvision"], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return round(1e3 * statistics.median(taken), 1)


def show(arms: dict[str, dict[str, float]], whole: dict[str, float], cold: float) -> None:
    bare = arms["bare fork"]["cpu"]
    print(f"{'':44}{'CPU ms':>8}{'over bare':>11}{'to ready':>10}{'to buried':>11}")
    for name, m in arms.items():
        print(f"{name:44}{m['cpu']:8.2f}{m['cpu'] - bare:11.2f}{m['ready']:10.2f}{m['buried']:11.2f}")
    print()
    for name, value in whole.items():
        print(f"{name:24}{value:>10}")
    print(f"{'cold import, CPU ms':24}{cold:>10}   {cold / whole['cpu_ms']:.0f} times a worker's")


if __name__ == "__main__":
    main()
