"""Hostile submissions: the cases of a suite of attacks, what is handed in for each, and what must come of it.

A case is a folder of the suite with what is handed in (`submission.py`, or `build.py` whose `build(folder, places)`
makes it) and an `expect.toml`. In its text `$ANSWER`, `$MARK` ... stand for places on the stage: an assignment with a
reference, another student's work, results, a token, a port, all open to everybody, so that only the walls protect them.
A submission whose attack is refused answers honestly; one that gets through adds what it got to its answer.
"""

from __future__ import annotations

import json
import platform
import runpy
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from grader import content, intake
from grader.doctor.stage import Stage
from grader.errors import AssignmentError
from grader.model import File, Submission, Value, Verdict

REJECTED = "REJECTED"
Tried = Literal["worker", "death", "lost", "classic", "stdout", "pytest", "unpack", "loaded"]
"""The ways in which an attack is let loose where nothing protects."""


class Protected(Value):
    """What must come of a case behind the walls, from isolation level `level` up.

    `verdict` is the hidden check's, or REJECTED where intake refuses the whole; `message` is a phrase of what the
    student is told, `output` one of what is shown as printed.
    """

    verdict: Verdict | Literal["REJECTED"]
    message: str = ""
    output: str = ""
    level: int = 2


class Control(Value):
    """How the case is shown to be an attack where nothing protects. `arm` is where it is tried.

    `achieved` is what it must get there, where that is one number; `root` says that it takes privilege, `unless` on
    which systems it fails all the same, `why` why it is not tried.
    """

    arm: Tried | Literal["page", "path", "sheet", "harmful", "none"] = "worker"
    achieved: float | None = None
    root: bool = False
    unless: str = ""
    why: str = ""


class Expectation(Value):
    """expect.toml. `student_id` is handed in instead of the case's name; `machine` is the only one that it is for.

    `known` is a defect of ours that keeps it from coming out as expected.
    """

    about: str
    group: Literal["A", "B", "C", "D", "E", "F", "G", "H", "I"]
    student_id: str = ""
    machine: str = ""
    known: str = ""
    protected: Protected
    control: Control = Control()


@dataclass(frozen=True)
class Case:
    """One attack."""

    folder: Path
    expected: Expectation

    @property
    def name(self) -> str:
        """Its folder's."""
        return self.folder.name

    @property
    def student_id(self) -> str:
        """Under which it is graded."""
        return self.expected.student_id or self.name


def suite() -> Path:
    """The attacks that come with the engine."""
    shipped = content.folder("attacks")
    return shipped if shipped.is_dir() else content.folder("tests") / "attacks"


def cases(folder: Path) -> list[Case]:
    """The cases of a suite for this machine, by name. Raises `AssignmentError` for a wrong expect.toml, or for none."""
    found = [Case(path.parent, _expectation(path)) for path in sorted(folder.glob("*/expect.toml"))]
    if not found:  # a suite that is not there must not look like a machine that stood
        raise AssignmentError(f"{folder} holds no attacks: wanted folders with an expect.toml.")
    return [c for c in found if c.expected.machine in ("", platform.machine())]


def _expectation(path: Path) -> Expectation:
    try:
        return Expectation.model_validate_json(json.dumps(tomllib.loads(path.read_text(encoding="utf-8"))))
    except (tomllib.TOMLDecodeError, ValidationError) as e:
        raise AssignmentError(f"{path} cannot be used: {e}") from e


def handed_in(case: Case, stage: Stage, workshop: Path) -> Submission:
    """What the case hands in, through intake. Raises `UsageError` where intake refuses the whole."""
    script = case.folder / "build.py"
    if not script.is_file():
        return one_file(case.student_id, stage.filled((case.folder / "submission.py").read_text(encoding="utf-8")))
    workshop.mkdir()
    made = Path(runpy.run_path(str(script))["build"](workshop, stage.places))
    return replace(intake.collect(made)[0], student_id=case.student_id)


def accomplice(case: Case, stage: Stage) -> Submission | None:
    """What another student hands in just before, where the attack takes two."""
    path = case.folder / "accomplice.py"
    return one_file(f"{case.name}, first", stage.filled(path.read_text(encoding="utf-8"))) if path.is_file() else None


def one_file(student_id: str, text: str) -> Submission:
    """A submission of one submission.py."""
    return Submission(student_id, (File("submission.py", text.encode()),))
