"""What this machine can do: each wall of the sandbox, really tried, and what else a grading needs. No torch."""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import computed_field
from rich.table import Table
from rich.text import Text

from grader import sandbox
from grader.model import Isolation, Value
from grader.sandbox.blueprint import LEVELS, NAMESPACES, Evidence, Wall
from grader.text import plain

LITTLE_DISK, NO_DISK = 2 << 30, 200 << 20
OLDEST_PYTHON = (3, 11)

REMEDIES: dict[Wall, str] = dict.fromkeys(
    NAMESPACES,
    "Allow unprivileged user namespaces (sysctl user.max_user_namespaces; on Ubuntu an AppArmor profile for bwrap, or "
    "kernel.apparmor_restrict_unprivileged_userns=0), or run as root outside a container.",
) | {
    Wall.UID: "Run as root, with Python where every user may read it; not needed where namespaces stand.",
    Wall.LANDLOCK: "Use Linux 6.2 or newer with Landlock among its security modules (boot option lsm=landlock,...).",
    Wall.SECCOMP: "Use Linux on x86-64 or aarch64; a container must not forbid seccomp filters.",
}
OTHER_REMEDY = "This needs nothing special: please report it, with the output of `grader doctor --json`."
NOT_LINUX = "Grade on Linux for hidden checks; elsewhere student code is not shut in, and only public checks are run."


class Status(StrEnum):
    """How good something is for grading."""

    PASS = "PASS"  # noqa: S105  # no password
    CAUTION = "CAUTION"
    FAIL = "FAIL"


class Finding(Value):
    """One thing that was looked at; `remedy` is what to do, empty where there is nothing to do."""

    name: str
    status: Status
    detail: str
    remedy: str = ""


class IsolationFinding(Isolation):
    """The sandbox that a grading would use, wall by wall."""

    walls: tuple[Finding, ...]


class Examination(Value):
    """All that was looked at."""

    isolation: IsolationFinding
    machine: tuple[Finding, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def status(self) -> Status:
        """The worst of all findings."""
        found = {f.status for f in (*self.isolation.walls, *self.machine)}
        return next((s for s in (Status.FAIL, Status.CAUTION) if s in found), Status.PASS)

    def to_json(self) -> str:
        """Indented."""
        return self.model_dump_json(indent=2)


def examine(data: Path | None = None, folder: Path | None = None) -> Examination:
    """Look at everything; `data` is the data set to grade with, `folder` is where results will be written."""
    chosen = sandbox.choose()
    isolation = IsolationFinding(**chosen.isolation.model_dump(), walls=tuple(_walls(chosen)))
    machine = (_python(), _torch(), _device(), _huge_pages(), _data(data), _disk(folder or Path(tempfile.gettempdir())))
    return Examination(isolation=isolation, machine=machine)


def _walls(chosen: sandbox.Sandbox) -> Iterator[Finding]:
    """One finding a wall. What a level below the best lacks is CAUTION; a wall that was breached is FAIL."""
    evidence = {e.wall: e for e in chosen.evidence}
    for wall in Wall:
        yield _wall(evidence.get(wall, Evidence(wall, applied=False)), chosen)


def _wall(evidence: Evidence, chosen: sandbox.Sandbox) -> Finding:
    wall, level = evidence.wall, chosen.isolation.level
    remedy = NOT_LINUX if not sys.platform.startswith("linux") else REMEDIES.get(wall, OTHER_REMEDY)
    if evidence.verified:
        return Finding(name=wall, status=Status.PASS, detail="tried and refused")
    if evidence.applied:
        through = ", ".join(evidence.breaches)
        return Finding(name=wall, status=Status.FAIL, detail=f"a worker could {through}", remedy=remedy)
    if wall not in LEVELS[4] and level == max(LEVELS):
        return Finding(name=wall, status=Status.PASS, detail="not built, and not needed behind the others")
    status = Status.CAUTION if wall not in LEVELS[2] and level > 1 else Status.FAIL
    why = next((m for m in chosen.missing if m.startswith(wall)), "")
    return Finding(
        name=wall, status=status, detail=f"not built here: {why}" if why else "not built here", remedy=remedy
    )


def _python() -> Finding:
    there = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        return Finding(name="python", status=Status.FAIL, detail=there, remedy="Use Python 3.11 or newer.")
    return Finding(name="python", status=Status.PASS, detail=f"{there} on {platform.system()} {platform.release()}")


def _torch() -> Finding:
    """The versions of torch and torchvision, from their metadata: an import takes seconds."""
    versions = {}
    for name in ("torch", "torchvision"):
        spec = importlib.util.find_spec(name)
        if spec is None:
            return Finding(
                name="torch",
                status=Status.FAIL,
                detail=f"{name} is not installed",
                remedy=f"Install {name}, CPU or CUDA.",
            )
        place = Path(spec.origin or "")
        if not any(place.is_relative_to(prefix) for prefix in (sys.prefix, sys.base_prefix)):
            return Finding(
                name="torch",
                status=Status.FAIL,
                detail=f"{name} lies in {place.parent.parent}, which is not read where student code runs",
                remedy=f"Install {name} into {sys.prefix}, not with `pip install --user`.",
            )
        versions[name] = importlib.metadata.version(name)
    return Finding(name="torch", status=Status.PASS, detail=", ".join(f"{n} {v}" for n, v in versions.items()))


def _device() -> Finding:
    """What networks are trained on: CUDA devices as the driver counts them."""
    count = _cuda_devices()
    if not count:
        return Finding(
            name="device",
            status=Status.CAUTION,
            detail=f"no CUDA device; {os.cpu_count()} processors",
            remedy="LeNet is trained in half a minute; EfficientNet's accuracy is graded only on a CUDA device.",
        )
    if not _torch_has_cuda():
        detail = f"{count} CUDA device(s), and a torch that was built without CUDA"
        return Finding(name="device", status=Status.CAUTION, detail=detail, remedy="Install a CUDA build of torch.")
    return Finding(name="device", status=Status.PASS, detail=f"{count} CUDA device(s)")


def _torch_has_cuda() -> bool:
    """Read from torch's own note of how it was built."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    note = Path(spec.origin).with_name("version.py").read_text()
    return bool(re.search(r"^cuda[^=]*= *['\"]", note, re.MULTILINE))


def _cuda_devices() -> int:
    count = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
            return 0
    except (OSError, AttributeError):
        return 0
    return count.value


def _huge_pages() -> Finding:
    there = not sys.platform.startswith("linux") or Path("/sys/kernel/mm/transparent_hugepage/enabled").is_file()
    if there:
        return Finding(name="huge pages", status=Status.PASS, detail="a worker starts in some 15 ms of processor time")
    remedy = "A kernel with transparent huge pages forks a worker four times as fast; nothing else depends on it."
    return Finding(name="huge pages", status=Status.CAUTION, detail="none in this kernel", remedy=remedy)


def _data(data: Path | None) -> Finding:
    prepare = "Prepare CIFAR-10 with `grader data prepare` and give the file with --data."
    if data is None:
        detail = "none given: networks are trained on drawn stand-in images"
        return Finding(name="data", status=Status.CAUTION, detail=detail, remedy=prepare)
    if not data.is_file():
        return Finding(name="data", status=Status.FAIL, detail=f"{data} is not there", remedy=prepare)
    return Finding(name="data", status=Status.PASS, detail=f"{data}, {data.stat().st_size >> 20} MiB")


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    detail = f"{free / 2**30:.1f} GiB free at {folder}"
    if free >= LITTLE_DISK:
        return Finding(name="disk", status=Status.PASS, detail=detail)
    status = Status.FAIL if free < NO_DISK else Status.CAUTION
    return Finding(name="disk", status=status, detail=detail, remedy="Free some space: 2 GiB are plenty for a class.")


COLOURS = {Status.PASS: "green", Status.CAUTION: "yellow", Status.FAIL: "red"}


def table(examination: Examination) -> Table:
    """The findings for a terminal."""
    isolation = examination.isolation
    tried = "tried from inside" if isolation.verified else "not verified"
    shown = Table(title=f"Isolation level {isolation.level} of {max(LEVELS)}: {isolation.name}, {tried}")
    for column in ("what", "", "found", "what to do"):
        shown.add_column(column)
    for finding in (*isolation.walls, *examination.machine):
        shown.add_row(*_row(finding), end_section=finding is isolation.walls[-1])
    return shown


def _row(finding: Finding) -> tuple[Any, ...]:
    status = Text(finding.status, style=COLOURS[finding.status])
    return Text(plain(finding.name)), status, Text(plain(finding.detail)), Text(plain(finding.remedy))
