"""CPU time of reading and slicing each case of tests/submissions: `python benchmarks/reading.py`.

Measured is what a worker does before it runs anything: all files are opened, and each question's names are looked for
and sliced. The best of three counts, in CPU time, so that other work on the machine does not show. The budget is 50 ms.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from grader import assignment, intake
from grader.model import Submission
from grader.source import notebook
from grader.untrusted import naming

ROOT = Path(__file__).resolve().parent.parent
BUDGET_SECONDS = 0.05
REPEATS = 3


def main() -> None:
    spec = assignment.load(ROOT / "assignments" / "cnn-cifar10")
    cases = [s for s in intake.collect(ROOT / "tests" / "submissions") if s.files]
    seconds = {s.student_id: min(measured(s, spec) for _ in range(REPEATS)) for s in cases}
    slowest = sorted(seconds, key=seconds.__getitem__, reverse=True)[:5]
    print(f"{len(seconds)} submissions, best of {REPEATS}, CPU milliseconds")
    ranked = sorted(seconds.values())
    print(
        f"median {statistics.median(ranked) * 1e3:.1f}, 95th percentile {ranked[int(0.95 * len(ranked))] * 1e3:.1f}, "
        f"greatest {ranked[-1] * 1e3:.1f}"
    )
    for case in slowest:
        print(f"  {seconds[case] * 1e3:6.1f}  {case}")
    over = [case for case in seconds if seconds[case] > BUDGET_SECONDS]
    print(f"over the budget of {BUDGET_SECONDS * 1e3:g} ms: {', '.join(over) or 'none'}")


def measured(submission: Submission, spec: assignment.Assignment) -> float:
    """CPU seconds of opening the files and slicing what every question needs."""
    start = time.process_time()
    try:
        book = notebook.open_({f.name: f.data for f in submission.files})
    except notebook.ProblemError:
        return time.process_time() - start
    for question in spec.questions:
        found = [naming.find(book, a.name, a.aliases, question.id) for a in question.answers]
        book.slice([f.name for f in found if f.name], question.id)
    return time.process_time() - start


if __name__ == "__main__":
    main()
