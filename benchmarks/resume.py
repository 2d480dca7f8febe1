"""Kill a grading's processes at random moments, start it again, and compare with one that was left alone.

    python benchmarks/resume.py [--kills 50] [--students 30] [--seed 0]

Each kill is a SIGKILL to the coordinator, the judge, the zygote, a worker or of the training, after a seeded number of
events. A run meets up to four, and none after the coordinator's, which ends it; then the same command is given until
nothing is left. What must be equal: gradebook.csv and every scorecard but its times and output. What must not be: a
question or scorecard that was finished twice, as the store's journal tells. docs/performance.md has what was measured.
"""

from __future__ import annotations

import argparse
import difflib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.interrupted import QUESTIONS, TARGETS, Course, graded_twice, results

QUESTIONS_ASKED = len(QUESTIONS) + 1  # and a network
EVENTS = (
    3 + QUESTIONS_ASKED * 3
)  # of one submission: its begin, two checks and the end of each question, two of its end
# The coordinator tells of its events before they are read here, so who is to be killed late may be gone by then.
LAST_SHARE = 0.7
MOST = 8  # kills in one run
Kills = dict[int, str]  # who is killed, by the number of events before


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"kills": 50, "students": 30, "seed": 0}.items():
        options.add_argument(f"--{name}", type=int, default=value)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="torchgrader-resume-") as folder:
        course = Course(Path(folder), asked.students, networks=True).write()
        began = time.monotonic()
        course.grade(Path(folder) / "undisturbed")
        wanted = results(Path(folder) / "undisturbed")
        print(f"{asked.students} submissions, undisturbed: {time.monotonic() - began:.1f} s\n")
        print(
            "| killed (after so many events) | starts | equal | done twice | wall s |\n|---|---|---|---|---|",
            flush=True,
        )
        plans = list(drawn(asked.kills, asked.students, random.Random(asked.seed)))  # noqa: S311  # a seed is wanted
        outcomes = [_once(course, n, kills, wanted) for n, kills in enumerate(plans)]
    hit = Counter(target for killed, _ in outcomes for target in killed)
    well = sum(right for _, right in outcomes)
    print(f"\nequal and nothing twice: {well} of {len(outcomes)} runs; killed: {hit.total()}, {dict(hit)}")
    sys.exit(well < len(outcomes))


def drawn(kills: int, students: int, draw: random.Random) -> Iterator[Kills]:
    """The kills of one run after another, so many in all."""
    while kills > 0:
        targets: list[str] = []
        while len(targets) < min(MOST, kills) and "coordinator" not in targets:
            targets.append(draw.choice(TARGETS))
        moments = draw.sample(range(2, int(students * EVENTS * LAST_SHARE)), len(targets))
        kills -= len(targets)
        yield dict(zip(sorted(moments), targets, strict=True))


def _once(course: Course, number: int, kills: Kills, wanted: dict[str, object]) -> tuple[list[str], bool]:
    """One run with its kills: who was hit, and whether all was well in the end."""
    out = course.folder / f"killed{number}"
    began = time.monotonic()
    hit = course.grade_and_kill(out, kills)
    starts = 2
    while course.grade(out) and starts < 5:
        starts += 1
    equal, twice = results(out) == wanted, len(graded_twice(out))
    told = ", ".join(f"{target} ({after})" for after, target in kills.items())
    missed = f"; not there: {len(kills) - len(hit)}" if len(hit) < len(kills) else ""
    print(f"| {told}{missed} | {starts} | {equal} | {twice} | {time.monotonic() - began:.0f} |", flush=True)
    if not (equal and not twice):
        print(difference(results(out), wanted), file=sys.stderr, flush=True)
    return hit, equal and not twice


def difference(found: dict[str, object], wanted: dict[str, object]) -> str:
    """The first lines that are not the same."""
    texts = [json.dumps(results_, indent=1, default=repr, sort_keys=True).splitlines() for results_ in (wanted, found)]
    return "\n".join(list(difflib.unified_diff(*texts, "wanted", "found", lineterm="", n=4))[:80])


if __name__ == "__main__":
    main()
