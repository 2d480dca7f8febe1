"""What a grading depends on, as one value: equal bases give equal scorecards, so nothing is graded twice on one.

It is compared before anything is graded, so it must be had in a moment: no torch, and so no look at the hardware
through it. What was asked for is compared, together with what kind of machine this is; the isolation level that was
reached is in each scorecard, and is held against the level that is required.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path

from grader import __version__, content
from grader.assignment import Assignment
from grader.plan import Plan

NOTE = "torchgrader"  # the key of a data file's note; grader.data writes it
MOST_HEADER = 1 << 20  # bytes: a header of ours has a few hundred
# What of the engine asks, shows and carries, and gives no points; a module that is in doubt is not here.
NO_GRADING = frozenset({
    "assignments", "charts", "cli.py", "commands", "doctor", "handout.py", "likeness", "live", "lms", "pages.py",
    "report", "reports", "store", "terminal",
})  # fmt: skip


@dataclass(frozen=True)
class Basis:
    """All that decides a scorecard, besides the submission. Digests are SHA-256."""

    assignment: str
    reference: str
    engine: str
    python: str
    torch: str
    torchvision: str
    numpy: str
    machine: str
    device: str
    recipe: str
    seed: int
    data: str
    train: bool | str
    fresh: bool

    @cached_property
    def digest(self) -> str:
        """One word for all of it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def basis(plan: Plan, assignment: Assignment) -> Basis:
    """What this grading depends on."""
    return Basis(
        assignment=digest_of(_shown(assignment.folder)),
        reference=digest_of(_files(Path(plan.reference))) if plan.reference else "",
        engine=engine(),
        python=platform.python_version(),
        torch=metadata.version("torch"),
        torchvision=metadata.version("torchvision"),
        numpy=metadata.version("numpy"),
        machine=machine(),
        device=f"{plan.device} ({gpus()})" if plan.device != "cpu" else "cpu",
        recipe=plan.speed,
        seed=assignment.seeds.training,
        data=data_digest(Path(plan.data)) if plan.data else "stand-in",
        train=plan.train,
        fresh=plan.fresh,
    )


@cache
def engine() -> str:
    """The engine's version, and what its code is: a version is raised at a release, code changes before."""
    return f"{__version__} {code_digest(content.PACKAGE)[:8]}"


def code_digest(package: Path) -> str:
    """A digest over the modules of the engine in this folder that a grade may depend on."""
    modules = ((path.relative_to(package), path) for path in package.rglob("*.py"))
    return digest_of((name.as_posix(), path) for name, path in modules if name.parts[0] not in NO_GRADING)


def digest_of(paths: Iterable[tuple[str, Path]]) -> str:
    """A digest over files under their names, in the order of the names."""
    h = hashlib.sha256()
    for name, path in sorted(paths):
        content = path.read_bytes()
        h.update(f"{name}\0{len(content)}\0".encode())
        h.update(content)
    return h.hexdigest()


def _files(folder: Path) -> Iterable[tuple[str, Path]]:
    """Every file in a folder that is not the interpreter's own, under its relative name."""
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(folder).as_posix(), path


def _shown(folder: Path) -> Iterable[tuple[str, Path]]:
    """An assignment's files that grading reads: not the handout, which is for students."""
    return ((name, path) for name, path in _files(folder) if not name.startswith("handout/"))


def machine() -> str:
    """The kind of machine: the same sums are rounded otherwise on another processor."""
    return f"{platform.system()} {platform.machine()} {_processor()}".strip()


def _processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = {line.partition(":")[2].strip() for line in lines if line.startswith("model name")}
    return ", ".join(sorted(names))


def gpus() -> str:
    """The graphics processors that the NVIDIA driver tells of; "no GPU" where it tells of none."""
    names = []
    for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        names += [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
    return ", ".join(names) or "no GPU"


def data_digest(path: Path) -> str:
    """The digest that a data file states of itself, which is checked when it is loaded; of any other, its own."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        try:
            header = json.loads(file.read(size)) if size < MOST_HEADER else {}
            return str(json.loads(header["__metadata__"][NOTE])["digest"])
        except (ValueError, KeyError, TypeError):
            file.seek(0)
            return hashlib.file_digest(file, "sha256").hexdigest()
