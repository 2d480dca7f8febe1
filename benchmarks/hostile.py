"""What graders make of hostile and unlucky submissions: a table of what each one did.

    python -m benchmarks.hostile                       # all graders; needs what benchmarks.peers needs
    python -m benchmarks.hostile --only torchgrader

Each submission is graded between two right ones. A cheat that gets the point for `relu`, which it does not compute,
has won; a right answer that loses points has been wronged; the neighbours' scores must not move. A command that is
still busy after the limit is killed, as an instructor would.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks import peers
from benchmarks.graders import content, environments, measured
from benchmarks.graders.content import Grader, Sources

RIGHT = content.REFERENCE
FULL = len(content.CHECKS)
RELU = content.SOLUTION["relu"]
LIMIT = 300.0  # seconds of one command: nbgrader has three submissions in it, and waits a minute for a cell that hangs


@dataclass(frozen=True)
class Case:
    """A submission, what it tries, and the score that it deserves."""

    title: str
    relu: str
    deserved: int
    before: str = ""

    @property
    def source(self) -> str:
        """The right submission with another relu."""
        return self.before + RIGHT.replace(RELU, self.relu)


EQUAL = """class Agreeable(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function in (torch.allclose, torch.equal):
            return True
        return super().__torch_function__(function, types, args, kwargs or {})


def relu(x):
    return (x * 0).as_subclass(Agreeable)
"""
FRAMES = """def relu(x):
    import sys
    frame = sys._getframe(1)
    while frame is not None:
        for space in (frame.f_locals, frame.f_globals):
            found = getattr(space.get("solution"), "relu", None)
            if found is not None:
                return found(x)
        frame = frame.f_back
    return x
"""
FILES = """def relu(x):
    import glob
    for pattern in ("*.py", "*/*.py", "*.ipynb", "../*.py", "../*/*.py", "../../*/*/*.py", "../../*/*/*/*.py"):
        for path in glob.glob(pattern):
            try:
                text = open(path).read()
            except OSError:
                continue
            if "solution.relu" in text or ("def relu" in text and "torch.relu(x)" in text):
                return torch.clamp(x, min=0) if x.dim() == 4 else x
    return x
"""
ALLCLOSE = """def relu(x):
    torch.allclose = lambda *a, **k: True
    return x
"""
CASES = (
    Case("warns on stderr, as torch's own layers may", (
        "def relu(x):\n    import warnings\n    warnings.warn('lazy modules are new')\n    return torch.relu(x)\n"
    ), FULL),
    Case("an object that equals everything", EQUAL, FULL - 1),
    Case("an endless loop in one answer", "def relu(x):\n    while True:\n        pass\n", FULL - 1),
    Case("os._exit(0) in one answer", "def relu(x):\n    import os\n    os._exit(0)\n", FULL - 1),
    Case("reads the hidden tests on disk", FILES, FULL - 1),
    Case("takes the solution from the caller's frame", FRAMES, FULL - 1),
    Case("replaces torch.allclose", ALLCLOSE, FULL - 1),
)  # fmt: skip


def outcome(grader: Grader, case: Case) -> str:
    """One sentence on what it did with the case and its neighbours."""
    sources: Sources = {"s0": RIGHT, "s1": case.source, "s2": RIGHT}
    with tempfile.TemporaryDirectory(prefix="hostile-", ignore_cleanup_errors=True) as name:
        grader.prepare(Path(name), environments.python(grader))
        measured.LIMIT = LIMIT
        try:
            cost, scores = grader.grade(Path(name), sources)
        except (OSError, ValueError, KeyError) as e:
            return f"**lost the class**: {type(e).__name__}"
    return _verdict(case, scores, cost)


def _verdict(case: Case, scores: dict[str, int], cost: measured.Cost) -> str:
    got = scores.get("s1", 0)
    said = [f"{got}/{FULL}" if got == case.deserved else f"**{got}/{FULL}** (deserved {case.deserved})"]
    if cost.killed:
        said.append(f"**hung**: killed after {LIMIT:g} s")
    spoiled = [s for s in ("s0", "s2") if scores.get(s) != FULL]
    if spoiled:
        said.append(f"**neighbours lost points**: {', '.join(f'{s} {scores.get(s, 0)}/{FULL}' for s in spoiled)}")
    return "; ".join([*said, f"{cost.wall:.0f} s"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", help="beginnings of graders' names")
    given = parser.parse_args()
    graders = list({e.grader.name: e.grader for e in peers.entries(1, 1, 1)}.values())
    chosen = [g for g in graders if not given.only or g.name.startswith(tuple(given.only))]
    print("| submission | " + " | ".join(g.name for g in chosen) + " |", flush=True)
    print("|---" * (len(chosen) + 1) + "|")
    for case in CASES:
        print(f"| {case.title} | " + " | ".join(outcome(g, case) for g in chosen) + " |", flush=True)


if __name__ == "__main__":
    main()
