"""Kill a grading at random moments, start it again, and compare with one that was left alone.

    python benchmarks/resume.py [--kills 50] [--students 30] [--seed 0]

Each kill is a SIGKILL to the coordinator, the judge, the zygote or a worker after a seeded number of events; then the
same command is given until nothing is left. What must be equal: gradebook.csv and every scorecard but its times and
output. What must not be: a question or scorecard that was finished twice, as the store's journal tells.

Measured with --students 8 (2 cores that others used too, torch 2.15, undisturbed 46.5 s), stopped after four kills; all
of them hit a process that was running:

    killed        after  hit  runs  equal  twice  seconds
    worker           55    T     2   True      0     58.1
    coordinator      35    T     2   True      0     62.7
    worker           53    T     2   True      0     36.6
    zygote           63    T     2   True      0     35.6
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.interrupted import QUESTIONS, TARGETS, Course, graded_twice, results

EVENTS = 3 + len(QUESTIONS) * 3  # of one submission: its begin, two checks and the end of each question, two of its end
# The coordinator tells of its events before they are read here, so who is to be killed late may be gone by then.
LAST_SHARE = 0.7


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"kills": 50, "students": 30, "seed": 0}.items():
        options.add_argument(f"--{name}", type=int, default=value)
    asked = options.parse_args()
    draw = random.Random(asked.seed)  # noqa: S311  # a seed is wanted
    with tempfile.TemporaryDirectory(prefix="torchgrader-resume-") as folder:
        course = Course(Path(folder), asked.students).write()
        began = time.monotonic()
        course.grade(Path(folder) / "undisturbed")
        wanted = results(Path(folder) / "undisturbed")
        print(f"{asked.students} submissions, undisturbed: {time.monotonic() - began:.1f} s\n")
        print(f"{'killed':<12} {'after':>6} {'hit':>4} {'runs':>5} {'equal':>6} {'twice':>6} {'seconds':>8}")
        outcomes = Counter(_once(course, n, draw, wanted) for n in range(asked.kills))
    well = sum(count for (_, right), count in outcomes.items() if right)
    hits = sum(count for (hit, _), count in outcomes.items() if hit)
    print(f"\nequal and nothing twice: {well} of {asked.kills}; hit: {hits}")
    sys.exit(well < asked.kills)


def _once(course: Course, number: int, draw: random.Random, wanted: dict[str, object]) -> tuple[bool, bool]:
    """One kill: whether it hit, and whether all was well then."""
    target, after = draw.choice(TARGETS), draw.randrange(2, int(course.students * EVENTS * LAST_SHARE))
    out = course.folder / f"killed{number}"
    began = time.monotonic()
    hit = bool(course.grade_and_kill(out, {after: target}))
    runs = 1
    while runs < 5:
        runs += 1
        if course.grade(out) == 0:
            break
    equal, twice = results(out) == wanted, len(graded_twice(out))
    seconds = time.monotonic() - began
    print(f"{target:<12} {after:>6} {hit!s:>4.1} {runs:>5} {equal!s:>6} {twice:>6} {seconds:>8.1f}", flush=True)
    return hit, equal and not twice


if __name__ == "__main__":
    main()
