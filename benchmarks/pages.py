"""How long `grader report` takes to write a class's pages again, in a process of its own as a user starts it.

    python -m benchmarks.pages [--students 30 300] [--rounds 3]

The class is made from a seed with every verdict and two networks for each student; each round writes all pages, those
of everybody and that of the class, in the other language than before, so that none is kept. A last row repeats the
command when nothing has changed.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from grader.store import Run, Store
from tests import gradebooks

HERE = gradebooks.environment()
RUN = Run(
    assignment="cnn-cifar10",
    assignment_digest=HERE.assignment_digest,
    reference_digest="r",
    **{name: getattr(HERE, name) for name in ("python", "torch", "device", "seed", "recipe", "data_digest")},
    engine=HERE.grader,
    isolation=4,
    basis="b",
    environment={"title": "Convolutional networks on CIFAR-10", "rubrics": gradebooks.RUBRICS},
)
# As on a user's machine: modules and templates are compiled once.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def store(folder: Path, students: int) -> None:
    """A folder as `grader grade` leaves it, without its pages."""
    book = gradebooks.gradebook(students)
    with Store(folder, write=True) as grades:
        number = grades.begin(RUN, [(c.student_id, c.submission_digest) for c in book.scorecards])
        for card in book.scorecards:
            grades.add_scorecard(number, card, RUN.basis)
        grades.end(number, "finished")


def timed(folder: Path, lang: str) -> tuple[float, float]:
    """Wall and CPU seconds of one `grader report`."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "grader.cli", "report", str(folder), "--lang", lang]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, cpu


def main() -> None:
    """One line for each size and round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, nargs="+", default=[30, 300])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{'students':>8} {'pages in':<10} {'wall s':>7} {'CPU s':>7}")
    for students in options.students:
        with tempfile.TemporaryDirectory() as name:
            store(Path(name), students)
            langs = ["en", "zh-TW"] * options.rounds
            for lang in [*langs, langs[-1]]:
                wall, cpu = timed(Path(name), lang)
                print(f"{students:>8} {lang:<10} {wall:>7.2f} {cpu:>7.2f}", flush=True)


if __name__ == "__main__":
    main()
