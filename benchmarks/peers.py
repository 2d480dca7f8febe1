"""What grading costs: torchgrader and the other graders, the same fifteen layer checks, in alternation.

    python -m benchmarks.peers                # three rounds, 4 submissions for each peer, 200 and 1,000 for us
    python -m benchmarks.peers --rounds 1 --only pytest torchgrader

Every grader must give every submission the score that follows from how it was made, or nothing is compared. CPU seconds
(user + system of the whole tree) are the figure to trust on a machine with other work; ratios are taken within a round.
A peer's cost does not fall with the size of the class, ours does: so ours is given for the class it is made for, for a
large course, and for as few submissions as the peers got.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.graders import content, cs50, environments, notebooks, ours, plain
from benchmarks.graders.content import Grader
from benchmarks.graders.measured import Cost


@dataclass(frozen=True)
class Entry:
    """A grader in the comparison, with the size of its class."""

    grader: Grader
    students: int
    title: str


def entries(few: int, many: int, most: int) -> list[Entry]:
    """Everything that is compared; the first is what the ratios are taken to."""
    return [
        Entry(ours.Torchgrader(), many, f"torchgrader, walls up, {many}"),
        Entry(ours.Torchgrader(jobs=2), many, f"torchgrader, walls up, 2 jobs, {many}"),
        Entry(ours.Torchgrader(jobs=2), most, f"torchgrader, walls up, 2 jobs, {most}"),
        Entry(ours.Torchgrader(), few, f"torchgrader, walls up, {few}"),
        *(
            Entry(peer, few, f"{peer.name}, {few}")
            for peer in (
                plain.Pytest(), plain.GradescopeUtils(), notebooks.Otter(), notebooks.Nbgrader(), cs50.Check50(),
            )
        ),
        *(Entry(y, many, f"{y.name}, {many}") for y in (plain.Session(), plain.Xdist(), plain.PytestZygote())),
    ]  # fmt: skip


def measure(entry: Entry) -> Cost:
    """Grade a class in a fresh folder. Raises ValueError for a score that is not right: then nothing is comparable."""
    with tempfile.TemporaryDirectory(prefix="peers-", ignore_cleanup_errors=True) as name:
        entry.grader.prepare(Path(name), environments.python(entry.grader))
        cost, scores = entry.grader.grade(Path(name), content.students(entry.students))
    right = content.right_scores(entry.students)
    if scores != right:
        wrong = {s: (scores.get(s), right[s]) for s in right if scores.get(s) != right[s]}
        raise ValueError(f"{entry.title}: other scores (given, right): {wrong}\n{cost.output[-1500:]}")
    return cost


def compare(chosen: list[Entry], rounds: int) -> dict[str, list[Cost]]:
    """Costs by entry; the order turns from round to round, so that nobody is always first."""
    costs: dict[str, list[Cost]] = {entry.title: [] for entry in chosen}
    for number in range(rounds):
        shift = number % len(chosen)
        for entry in chosen[shift:] + chosen[:shift]:
            cost = measure(entry)
            costs[entry.title].append(cost)
            print(f"  round {number + 1}: {entry.title}: {cost.cpu / entry.students:.3f} CPU s each", flush=True)
    return costs


def table(chosen: list[Entry], costs: dict[str, list[Cost]]) -> str:
    """As Markdown."""
    lines = [
        "| grader, class | CPU s a submission | wall s a submission | largest process, MiB | CPU ratio, each round |",
        "|---|---|---|---|---|",
    ]
    base = [c.cpu / chosen[0].students for c in costs[chosen[0].title]]
    for entry in chosen:
        cpu = [c.cpu / entry.students for c in costs[entry.title]]
        wall = [c.wall / entry.students for c in costs[entry.title]]
        memory = max(c.memory for c in costs[entry.title])
        ratios = [a / b for a, b in zip(cpu, base, strict=True)]
        spread = ", ".join(f"{r:.3g}" for r in ratios)
        lines.append(
            f"| {entry.title} | {statistics.median(cpu):.3f} | {statistics.median(wall):.3f} | {memory:.0f} "
            f"| {statistics.median(ratios):.3g} ({spread}) |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--few", type=int, default=4, help="submissions for graders that start anew for each")
    parser.add_argument("--many", type=int, default=200, help="submissions for those that do not")
    parser.add_argument("--most", type=int, default=1000, help="submissions of a large course, for ours alone")
    parser.add_argument("--only", nargs="*", help="beginnings of names; torchgrader is always there")
    given = parser.parse_args()
    chosen = entries(given.few, given.many, given.most)
    if given.only:
        chosen = [e for e in chosen if e.title.startswith(("torchgrader", *given.only))]
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for entry in {e.grader.name: e for e in chosen}.values():
        print(f"  {entry.grader.name}: {environments.versions(entry.grader)}", flush=True)
    costs = compare(chosen, given.rounds)
    print(f"\nload at the end {os.getloadavg()[0]:.1f}; all scores equal\n\n{table(chosen, costs)}")


if __name__ == "__main__":
    main()
