"""What a class costs: 200 submissions with 40 distinct networks; how it grows, what a regrade costs, what jobs bring.

    python benchmarks/class.py                                   # drawn stand-in images, the quick recipe
    python benchmarks/class.py --students 200 --networks 40 --data cifar10.safetensors --recipe full

The class is the right submission of tests/submissions with seeded mistakes in its layers and a LeNet of one of so many
widths; every fifth (`--every N`) also hands in an EfficientNet, all the same one. Each grading is the whole command,
from an empty cache: processes, walls, training, store and pages.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.graders import measured

RIGHT = Path(__file__).resolve().parents[1] / "tests" / "submissions" / "all_seven" / "submission.py"
MISTAKES = (
    ("nn.ReLU()", "nn.LeakyReLU(0.1)"),
    ("stride=2", "stride=3"),
    ("padding=(4, 2)", "padding=(2, 4)"),
    ("nn.MaxPool2d(3", "nn.AvgPool2d(3"),
    ("nn.AvgPool2d((3, 2)", "nn.AvgPool2d((2, 3)"),
)
WIDTH = 84  # of LeNet's last hidden layer
measured.LIMIT = 7200.0  # seconds: a class, on a machine with other work


@dataclass(frozen=True)
class Grading:
    """One run of the command. `first`: seconds until the first scorecard was written."""

    cost: measured.Cost
    first: float


def submission(number: int, networks: int, every: int) -> str:
    """Student `number`'s file: drawn from the number alone; each so many'th has an EfficientNet, 0 none."""
    draw = random.Random(number)  # noqa: S311  # variety, not secrecy
    text = RIGHT.read_text(encoding="utf-8")
    head, _, tail = text.partition("class LeNet")
    for right, wrong in draw.sample(MISTAKES, draw.choice((0, 0, 0, 1, 2))):
        head = head.replace(right, wrong, 1)
    lenet, _, rest = tail.partition("class EfficientNet")
    lenet = lenet.replace(str(WIDTH), str(WIDTH - number % networks))
    rest = f"class EfficientNet{rest}" if every and number % every == 0 else ""
    # What EfficientNet is made of stands between the two classes in some styles: it stays with it.
    return f"{head}class LeNet{lenet}{rest}\n# student {number}\n"


def grade(folder: Path, students: int, given: argparse.Namespace, jobs: int) -> Grading:
    """The whole command on a class of so many, into a fresh folder with an empty cache."""
    place = folder / f"class-{students}"
    place.mkdir(exist_ok=True)
    for number in range(students):
        (place / f"s{number:03d}.py").write_text(submission(number, given.networks, given.every), encoding="utf-8")
    return again(folder, place, Path(tempfile.mkdtemp(dir=folder)), given, jobs)


def again(folder: Path, place: Path, out: Path, given: argparse.Namespace, jobs: int) -> Grading:
    """The command into `out`, whatever is there already."""
    command: list[str | Path] = [sys.executable, "-m", "grader.cli", "grade", place, "-o", out, "--jobs", str(jobs)]
    command += ["--recipe", given.recipe, *(["--data", given.data.resolve()] if given.data else [])]
    start = time.time()
    cost = measured.run(command, folder, {"TORCHGRADER_CACHE": str(out / "cache")})
    if cost.code not in (0, 1):
        raise RuntimeError(cost.output[-2000:])
    written = [path.stat().st_mtime for path in (out / "scorecards").glob("*.json")]
    return Grading(cost, min(written, default=start) - start)


def line(what: str, students: int, grading: Grading) -> str:
    cost = grading.cost
    return (
        f"| {what} | {students} | {cost.wall:.1f} | {cost.cpu:.1f} | {1000 * cost.cpu / students:.0f} "
        f"| {max(grading.first, 0):.1f} | {cost.memory:.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=200)
    parser.add_argument("--networks", type=int, default=40)
    parser.add_argument("--every", type=int, default=5, help="how many to one EfficientNet; 0: none")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--recipe", choices=("quick", "full"), default="quick")
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, recipe {given.recipe}\n")
    print("| grading | students | wall s | CPU s | CPU ms each | first result, s | largest process, MiB |")
    print("|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="class-", ignore_cleanup_errors=True) as name:
        folder, many, half = Path(name), given.students, given.students // 2
        whole = grade(folder, many, given, jobs=2)
        print(line("from nothing, --jobs 2", many, whole), flush=True)
        out = max(folder.glob("tmp*"), key=lambda path: path.stat().st_mtime)
        unchanged = again(folder, folder / f"class-{many}", out, given, jobs=2)
        print(line("again, nothing changed", many, unchanged), flush=True)
        part = grade(folder, half, given, jobs=2)
        print(line("half the class, --jobs 2", half, part), flush=True)
        single = grade(folder, half, given, jobs=1)
        print(line("half the class, --jobs 1", half, single), flush=True)
    added = 1000 * (whole.cost.cpu - part.cost.cpu) / (many - half)
    print(
        f"\na further submission: {added:.0f} ms CPU; 1 to 2 jobs: {single.cost.wall / part.cost.wall:.2f} times faster"
    )


if __name__ == "__main__":
    main()
