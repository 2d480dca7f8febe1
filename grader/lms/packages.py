"""An autograder as one zip: the engine, one assignment, its reference, and the files that the platform starts.

The reference goes along where the platform's server grades with it: such a zip is for the platform alone. It is the
same for the same content: members are sorted, and carry no time.
"""

from __future__ import annotations

import importlib.metadata
import io
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from grader import content, handout
from grader.assignment import Assignment
from grader.errors import UsageError
from grader.lms.autograder import KIT, Autograder, Kit

PLAIN, EXECUTABLE = 0o644, 0o755
ALWAYS = (2020, 1, 1, 0, 0, 0)
MARGIN = 0.1  # of the platform's time, kept for starting up and for writing the last results
LEAST_MARGIN = 30.0  # seconds: a cold start of torch
RUNTIME = "torch torchvision numpy pandas jinja2 pytest pydantic pyyaml typer rich safetensors scipy"
LEFT_OUT = frozenset({"__pycache__", "out", "handout", ".git"})


def build(
    autograder: Autograder,
    spec: Assignment,
    reference: Path,
    data: Path | None = None,
    seconds: float | None = None,
    pip_options: str = "",
) -> bytes:
    """The zip. `seconds` is the platform's own limit. Raises `UsageError`; `AssignmentError` where a recipe lacks."""
    for question in (q for q in spec.questions if q.network and not autograder.public):
        spec.recipe(question.id, "cpu", "quick")
    kit = _kit(autograder, spec, data, seconds or autograder.seconds)
    files = dict(_engine())
    files |= _public(spec) if autograder.public else _whole(spec, reference)
    files["requirements.txt"] = "".join(f"{r}\n" for r in requirements()).encode()
    files["pip-options.txt"] = f"{pip_options}\n".encode()
    files[KIT] = kit.model_dump_json(indent=1).encode()
    if data:
        files[f"data/{data.name}"] = data.read_bytes()
    return _zipped(_laid_out(autograder, files, {n: t.encode() for n, t in autograder.scripts(kit).items()}))


def _kit(autograder: Autograder, spec: Assignment, data: Path | None, limit: float) -> Kit:
    """What the package tells itself of where it is. Raises `UsageError` where the limit leaves no time to grade."""
    kit = Kit(
        platform=autograder.name,
        assignment=f"engine/grader/assignments/{spec.id}",
        reference=None if autograder.public else "reference",
        data=f"data/{data.name}" if data else None,
        seconds=limit - max(LEAST_MARGIN, MARGIN * limit),
        limit=limit,
        hidden=spec.visibility.hidden_checks,
        points=spec.max_points,
    )
    if kit.seconds <= 0:
        raise UsageError(
            f"{limit:.0f} seconds are too few, because starting takes some {LEAST_MARGIN:.0f}: raise the limit "
            "at the platform, and say the new one with --timeout."
        )
    return kit


def _laid_out(autograder: Autograder, files: Mapping[str, bytes], scripts: Mapping[str, bytes]) -> dict[str, bytes]:
    """Everything under the names that the platform wants."""
    prefix = f"{autograder.folder}/" if autograder.folder else ""
    inside = {f"{prefix}{name}": data for name, data in files.items()}
    if not autograder.tar:
        return {**inside, **scripts}
    inside |= {name: text for name, text in scripts.items() if name.startswith(prefix)}
    return {autograder.tar: _tarred(inside), **{n: t for n, t in scripts.items() if not n.startswith(prefix)}}


def requirements() -> Iterator[str]:
    """What the engine needs, in the versions that grade here: the same numbers come out there."""
    for name in RUNTIME.split():
        yield f"{name}=={importlib.metadata.version(name).partition('+')[0]}"


def _engine() -> Iterator[tuple[str, bytes]]:
    """The engine as it is installed, without assignments."""
    yield from _below(content.PACKAGE, "engine/grader", leave=("assignments", "reports"))
    yield from _below(content.folder("reports"), "engine/grader/reports")


def _whole(spec: Assignment, reference: Path) -> dict[str, bytes]:
    """The assignment, and the reference beside the engine."""
    inside = _below(spec.folder, f"engine/grader/assignments/{spec.id}")
    return {**dict(inside), **dict(_below(reference, "reference"))}


def _public(spec: Assignment) -> dict[str, bytes]:
    """The assignment as students may see it: hidden checks are counted in it and not named."""
    prefix = f"engine/grader/assignments/{spec.id}"
    files = dict(_below(spec.folder, prefix))
    return {**files, f"{prefix}/assignment.toml": handout.toml(handout.shown(spec)).encode()}


def _below(folder: Path, prefix: str, leave: tuple[str, ...] = ()) -> Iterator[tuple[str, bytes]]:
    """A folder's files, without what is made when it is used."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not LEFT_OUT & set(parts) and parts[0] not in leave and path.suffix != ".pyc":
            yield f"{prefix}/{'/'.join(parts)}", path.read_bytes()


def _mode(data: bytes) -> int:
    """What begins as a script can be started."""
    return EXECUTABLE if data.startswith(b"#!") else PLAIN


def _zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            info = zipfile.ZipInfo(name, ALWAYS)
            info.create_system = 3  # Unix: the mode counts wherever the zip is made
            info.external_attr = (0o100000 | _mode(data)) << 16
            archive.writestr(info, data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _tarred(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), _mode(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
