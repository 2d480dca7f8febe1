"""An assignment -> the kit that students get: starter, README, public checks, expected tensors, one zip.

What goes in is listed here, one kind after the other, and nothing else does: a file that lies in the assignment's
folder by mistake stays where it is. assignment.toml is written anew, so that it holds neither the instructor's comments
nor the names of hidden checks, only how many there are and their points. Equal contents give an equal zip.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from grader import __version__
from grader.assignment import Assignment, Question, Withheld
from grader.errors import AssignmentError, UsageError
from grader.model import Visibility

MOMENT = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold
LANGUAGE = re.compile(r"[a-z]{2}(-[A-Z]{2})?")
READABLE = 0o100644 << 16
INSTALL = f"torchgrader=={__version__}\n"


def write(assignment: Assignment, path: Path) -> tuple[str, ...]:
    """Write the kit to `path`, a zip; the names of its files. Raises `AssignmentError` and `UsageError`."""
    files = contents(assignment)
    unfinished = path.with_name(f".{path.name}.part")
    try:
        unfinished.write_bytes(_zipped(files))
        unfinished.replace(path)
    except OSError as e:
        raise UsageError(f"the kit cannot be written to {path} ({e.strerror}): give another place with -o.") from e
    return tuple(files)


def contents(assignment: Assignment) -> dict[str, bytes]:
    """The kit's files by their names, sorted; all lie in one folder that is named like the assignment.

    Raises `AssignmentError` when there is no starter, or when a file names a hidden check.
    """
    starter = assignment.folder / "handout"
    if not any(starter.glob("submission.*")):
        raise AssignmentError(
            f"{assignment.id} has no starter: put a submission.py or submission.ipynb, and a README.md, in {starter}."
        )
    files = {path.relative_to(starter).as_posix(): path.read_bytes() for path in _files(starter, "*")}
    there = assignment.folder
    phrases = [path for path in there.glob("*.toml") if LANGUAGE.fullmatch(path.stem)]
    for path in [*_files(assignment.checks_folder, "*.py"), *there.glob("expected.safetensors"), *phrases]:
        files[path.relative_to(assignment.folder).as_posix()] = path.read_bytes()
    files["assignment.toml"] = toml(shown(assignment)).encode()
    files["requirements.txt"] = INSTALL.encode()
    _nothing_hidden(assignment, files)
    return {f"{assignment.id}/{name}": files[name] for name in sorted(files)}


def shown(assignment: Assignment) -> dict[str, Any]:
    """What of assignment.toml students may see. Hidden checks are counted, and baselines of the reference left out."""
    there = tuple(b for b in assignment.baselines if b.file is None)
    questions = tuple(_shown_question(q, {b.id for b in there}) for q in assignment.questions)
    kept = assignment.model_copy(update={"questions": questions, "baselines": there})
    return kept.model_dump(mode="json", exclude_defaults=True, exclude_none=True)


def _shown_question(question: Question, baselines: set[str]) -> Question:
    hidden = [c for c in question.checks.values() if c.visibility is Visibility.HIDDEN]
    points = sum(c.points for c in hidden) + question.withheld.points
    network = question.network
    return question.model_copy(
        update={
            "checks": {i: question.checks[i] for i in question.public_checks},
            "withheld": Withheld(checks=question.hidden_count, points=points),
            "network": network
            and network.model_copy(update={"baselines": tuple(b for b in network.baselines if b in baselines)}),
        }
    )


def _files(folder: Path, pattern: str) -> Iterator[Path]:
    """The files of a folder and those below it, but for what Python and editors leave behind."""
    for path in sorted(folder.rglob(pattern)):
        inside = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in inside):
            yield path


def _nothing_hidden(assignment: Assignment, files: Mapping[str, bytes]) -> None:
    """Raises `AssignmentError` when a file of the kit names a check that students may not see."""
    public = {i for q in assignment.questions for i in q.public_checks}
    hidden = {i for q in assignment.questions for i in q.checks} - public
    for name, data in files.items():
        if named := sorted(i for i in hidden if i.encode() in data):
            raise AssignmentError(f"{name} names the hidden check {named[0]}: students would read it. Take it out.")


def _zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, MOMENT)
            entry.external_attr, entry.create_system = READABLE, 3  # as on Unix, wherever it is made
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


# --------------------------------------------------------------------------------------------------------------- TOML


def toml(table: Mapping[str, Any]) -> str:
    """A table of strings, numbers, lists and tables as TOML. What holds no table of its own stands on one line."""
    return "\n".join(_lines(table, "")) + "\n"


def _lines(table: Mapping[str, Any], path: str) -> Iterator[str]:
    headed = {key: value for key, value in table.items() if _has_header(value)}
    for key, value in table.items():
        if key not in headed:
            yield f"{_key(key)} = {_inline(value)}"
    for key, value in headed.items():
        name = f"{path}{_key(key)}"
        for row in value if isinstance(value, list) else [value]:
            yield from ("", f"[[{name}]]" if isinstance(value, list) else f"[{name}]")
            yield from _lines(row, f"{name}.")


def _has_header(value: object) -> bool:
    """Whether it is a list of tables, or a table with tables in it."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(row, dict) for row in value)
    return isinstance(value, dict) and any(isinstance(inner, dict) or _has_header(inner) for inner in value.values())


def _inline(value: object) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_key(k)} = {_inline(v)}' for k, v in value.items())} }}" if value else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # JSON's texts and numbers are TOML's too


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else _inline(key)
