"""Find the best blueprint that this machine can build, by building. Standard library only; Linux.

Each try is a process of its own (`trial`). A namespace that cannot be made ends a try, for the next one does without;
any other wall that cannot be built is left out and the rest is built all the same, at the lower level that it reaches.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from grader.sandbox.blueprint import (
    LEVELS,
    NAMESPACES,
    Bait,
    Blueprint,
    Evidence,
    Opener,
    Setup,
    Trap,
    Wall,
    from_report,
    level_of,
)
from grader.scratch import Scratch

TRIAL_SECONDS = 60.0

LEAST = Blueprint(frozenset({Wall.DESCRIPTORS, Wall.LIMITS}))
"""What is built even where nothing else can be."""


@dataclass(frozen=True)
class Finding:
    """The best blueprint, the evidence of its worker, and why it is not better (`missing`, sentences)."""

    blueprint: Blueprint
    evidence: tuple[Evidence, ...]
    missing: tuple[str, ...]

    @property
    def level(self) -> int:
        """What the evidence shows."""
        return level_of(e.wall for e in self.evidence if e.verified)


def survey(folders: Iterable[Path] = ()) -> Finding:
    """Try from the best blueprint down. `folders` are more bait: what a worker may least of all list."""
    missing: list[str] = []
    best: Finding | None = None
    trap = Trap(folders)
    try:
        for blueprint in _blueprints():
            if best is None or level_of(blueprint.walls) > best.level:
                found = _build(blueprint, trap.bait, missing)
                best = max(filter(None, (best, found)), key=lambda f: f.level, default=None)
    finally:
        trap.close()
    best = best or Finding(LEAST, (), ())
    return replace(best, missing=() if best.level == max(LEVELS) else tuple(dict.fromkeys(missing)))


def _blueprints() -> Iterator[Blueprint]:
    """All that could be built, best first."""
    every = frozenset(Wall)
    if os.geteuid() == 0:
        yield Blueprint(every, Opener.PRIVILEGE)
    yield Blueprint(every - {Wall.UID}, Opener.USER_NAMESPACE)
    if shutil.which("bwrap"):
        yield Blueprint(every - {Wall.UID}, Opener.BUBBLEWRAP)
    if os.geteuid() == 0:
        yield Blueprint(every - NAMESPACES)
    yield Blueprint(every - NAMESPACES - {Wall.UID})
    yield LEAST


def _build(blueprint: Blueprint, bait: Bait, missing: list[str]) -> Finding | None:
    """Build it, without the walls that cannot be built; adds to `missing` what and why. None where nothing can."""
    while True:
        answer = _tried(blueprint, bait)
        if "failed" not in answer:
            evidence = from_report(answer)
            missing += [
                f"{e.wall}: a worker could {', '.join(e.breaches)}" for e in evidence if e.applied and e.breaches
            ]
            return Finding(blueprint, evidence, ())
        missing.append(f"{answer['failed']} (by {blueprint.opener}): {answer['reason']}")
        wall = answer["failed"]
        if wall in NAMESPACES or wall not in blueprint.walls:
            return None
        blueprint = blueprint.without(Wall(wall))


def _tried(blueprint: Blueprint, bait: Bait) -> dict[str, Any]:
    """What `trial` says in a process of its own; "failed" is empty when it did not get as far as a wall."""
    with Scratch("trial") as folder:
        scratch = str(folder)
        command = [*blueprint.prefix, sys.executable, "-P", "-s", "-B", "-m", "grader.sandbox.trial"]
        root = str(Path(__file__).resolve().parent.parent.parent)
        environment = {"PYTHONPATH": root, "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", "")}
        try:
            done = subprocess.run(
                command,
                input=Setup(blueprint, scratch, bait).pack(),
                env=environment,
                cwd=scratch,
                capture_output=True,
                timeout=TRIAL_SECONDS,
                check=True,
            )
            return dict(json.loads(done.stdout))
        except subprocess.CalledProcessError as e:
            return {"failed": "", "reason": e.stderr.decode(errors="replace").strip()[-300:] or str(e)}
        except (OSError, ValueError, subprocess.TimeoutExpired) as e:
            return {"failed": "", "reason": str(e)}
