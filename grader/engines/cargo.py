"""What travels to another machine: a job with its assignment and reference as content, everything named by its digest.

A folder travels as one zip that is the same for the same files, so that its SHA-256 names it. The reference is in it:
it goes to judges only, is unpacked into a folder that nobody else may enter, and goes with that folder.
"""

from __future__ import annotations

import hashlib
import io
import platform
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from grader import content
from grader.engines.job import Job
from grader.errors import GraderError, UsageError
from grader.store import basis

Fetch = Callable[[str], bytes]
"""Gives the bytes of a digest."""
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip knows; a file's own time would change the digest


@dataclass(frozen=True)
class Cargo:
    """A job for another machine. `assignment`, `reference` and `data` are digests; `versions` what must be the same
    there for equal grades; `machine` the kind of the machine that the coordinator runs on.
    """

    job: Job
    assignment: str
    reference: str | None
    data: str | None
    versions: tuple[tuple[str, str], ...]
    machine: str


class Hold:
    """The contents of a run's cargo, by digest, packed once however many jobs there are."""

    def __init__(self) -> None:
        self._packed: dict[str, str] = {}
        self.contents: dict[str, bytes] = {}

    def load(self, job: Job) -> Cargo:
        """A job with its folders and its data put into the hold."""
        plan = job.plan
        return Cargo(
            job=job,
            assignment=self._put(plan.assignment, pack),
            reference=self._put(plan.reference, pack) if plan.reference else None,
            data=self._put(plan.data, Path.read_bytes) if plan.data else None,
            versions=tuple(versions().items()),
            machine=basis.machine(),
        )

    def _put(self, path: str, read: Callable[[Path], bytes]) -> str:
        if path not in self._packed:
            data = read(Path(path))
            self._packed[path] = hashlib.sha256(data).hexdigest()
            self.contents[self._packed[path]] = data
        return self._packed[path]


def pack(folder: Path) -> bytes:
    """A folder's files, but an interpreter's own and the handout, which is for students."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            name = path.relative_to(folder)
            if "__pycache__" not in name.parts and name.parts[0] != "handout":
                archive.writestr(zipfile.ZipInfo(name.as_posix(), EPOCH), path.read_bytes())
    return packed.getvalue()


def unpack(data: bytes, digest: str, folder: Path) -> str:
    """The files of a packed folder, in a new folder; its path."""
    folder.mkdir(mode=0o700)
    with zipfile.ZipFile(io.BytesIO(_whole(data, digest))) as archive:
        archive.extractall(folder)  # zipfile keeps every name inside the folder
    return str(folder)


def keep_data(digest: str, fetch: Fetch) -> str:
    """The path of a data file on this machine, fetched unless an earlier job has put it there."""
    folder = content.cache() / "data"
    path = folder / digest
    if not path.is_file():
        data = _whole(fetch(digest), digest)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(data)
        Path(file.name).replace(path)  # whole or not at all
    return str(path)


def _whole(data: bytes, digest: str) -> bytes:
    if hashlib.sha256(data).hexdigest() != digest:
        raise GraderError(f"the content {digest[:12]} came over changed: start the command again.")
    return data


def unpacked(cargo: Cargo, contents: dict[str, bytes], data: str | None, folder: Path) -> Job:
    """The job, with the paths that its things have on this machine."""
    refuse_other_versions(cargo)
    given = cargo.job.plan
    reference = cargo.reference
    plan = replace(
        given,
        assignment=unpack(contents[cargo.assignment], cargo.assignment, folder / "assignment"),
        reference=unpack(contents[reference], reference, folder / "reference") if reference else None,
        data=data,
        cache=str(content.cache()) if given.cache else None,
        scratch=str(folder),
    )
    return replace(cargo.job, plan=plan)


def versions() -> dict[str, str]:
    """What decides a grade besides content and machine."""
    packages = {name: metadata.version(name) for name in ("torch", "torchvision", "numpy")}
    return {"torchgrader": basis.engine(), "python": platform.python_version(), **packages}


def refuse_other_versions(cargo: Cargo) -> None:
    """Raise UsageError where this machine would grade otherwise than the coordinator's."""
    here = versions()
    if other := [f"{name} {here[name]} instead of {wanted}" for name, wanted in cargo.versions if here[name] != wanted]:
        raise UsageError(f"{platform.node()} has {', '.join(other)}: install the same there.")
