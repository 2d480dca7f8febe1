"""Attack this machine's sandbox: hostile submissions through the real judge, and what must hold after each of them.

A case is a folder of the suite with what is handed in (`submission.py`, or `build.py` whose `build(folder, places)`
makes it) and an `expect.toml`. In its text `$ANSWER`, `$MARK` ... stand for places on the stage: an assignment with a
reference, another student's work, results, a token, a port, all open to everybody, so that only the walls protect them.
A submission whose attack is refused answers honestly; one that gets through adds what it got to its answer.

After each case these invariants are held against what is there, not against what was said:

    I1  the next submission, a clean one, gets full marks
    I2  its scorecard is byte for byte the one that it gets without an attack before it, timings apart
    I3  no process is left
    I4  the stage is unchanged, and nothing is left in the folder that workers are started in
    I5  no secret is in the scorecard or on the page
    I6  it took no longer than the limit and two seconds
    I7  the level on the scorecard is the one that was verified
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import platform
import runpy
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from grader import assignment, content, intake, report, sandbox
from grader.errors import AssignmentError, UsageError
from grader.model import File, Isolation, Scorecard, Submission, Value, Verdict
from grader.plan import Plan
from grader.scratch import Scratch
from grader.stage import CLEAN, Stage, stage

REJECTED = "REJECTED"
Tried = Literal["worker", "death", "lost", "classic", "stdout", "pytest", "unpack", "loaded"]
"""The ways in which an attack is let loose where nothing protects."""
MORE_SECONDS = 2.0


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


@dataclass(frozen=True)
class Result:
    """What came of a case. `problems` are sentences, none when the machine stood."""

    name: str
    group: str
    about: str
    verdict: str
    problems: tuple[str, ...] = ()
    scorecard: Scorecard | None = field(default=None, repr=False)

    def to_body(self) -> dict[str, Any]:
        """As JSON carries it."""
        card = self.scorecard.model_dump(mode="json") if self.scorecard else None
        return {**{k: v for k, v in self.__dict__.items() if k != "scorecard"}, "scorecard": card}

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Result:
        """From what `to_body` gave."""
        card = Scorecard.from_json(json.dumps(body["scorecard"])) if body["scorecard"] else None
        return cls(**{**body, "problems": tuple(body["problems"]), "scorecard": card})


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


# --------------------------------------------------------------------------------------------------------- the attacks


def attack(folder: Path | None = None) -> list[Result]:
    """Run the whole suite on this machine through the judge: under a minute.

    Raises `SandboxUnavailable` where there are no walls, for there the attacks would work, and `AssignmentError`.
    """
    where = folder or suite()
    with stage(where) as made:
        return run(cases(where), made)


def run(cases: Sequence[Case], stage: Stage) -> list[Result]:
    """Run cases, a clean submission before the first and after each. Torch is imported here."""
    from grader.judge import judge

    found = Findings(stage, sandbox.choose(folders=[stage.folder]).isolation)
    submissions = [one_file("clean", CLEAN)]
    with Scratch("attack") as scratch:
        for case in cases:
            try:
                submissions.append(handed_in(case, stage, scratch / case.name))
            except UsageError as e:
                found.rejected(case, str(e))
                continue
            if first := accomplice(case, stage):
                submissions.insert(-1, first)
            found.expect(case)
            submissions.append(one_file(f"clean after {case.name}", CLEAN))
        with Scratch("run") as run_folder, contextlib.redirect_stdout(io.StringIO()):
            found.scratch = run_folder
            judge.judge(_plan(stage, str(run_folder)), submissions, found.say)
    return found.results


def _plan(stage: Stage, scratch: str) -> Plan:
    folder = stage.folder
    return Plan(
        str(folder / "assignment"), str(folder / "reference"), None, "cpu", "quick", 1, None, scratch, train=False
    )


class Findings:
    """Holds each scorecard, the moment that the judge says it, against what is expected and the invariants."""

    def __init__(self, stage: Stage, verified: Isolation) -> None:
        self.results: list[Result] = []
        self.scratch = Path()
        self._stage = stage
        self._verified = verified
        self._cases: dict[str, Case] = {}
        self._first: Scorecard | None = None
        self._processes: set[int] = set()
        self._state = stage.state()
        self._wall_seconds = assignment.load(stage.folder / "assignment").limits.wall_seconds

    def expect(self, case: Case) -> None:
        """This case will be judged."""
        self._cases[case.student_id] = case

    def rejected(self, case: Case, message: str) -> None:
        """Intake refused this case."""
        problems = list(_differences(case.expected.protected, REJECTED, message, ""))
        problems += [f"I5: {name} is told" for name in self._told(message)]
        problems += self._unchanged()
        self._add(case, REJECTED, problems)

    def say(self, event: str, **values: Any) -> None:
        """What the judge says."""
        if event != "finished":
            return
        card = Scorecard.model_validate_json(values["scorecard"])
        if self._first is None:
            self._first, self._processes = card, processes(self.scratch)
        elif card.student_id in self._cases:
            self._judged(self._cases[card.student_id], card)
        elif card.student_id.startswith("clean after "):
            last = self.results[-1]
            self.results[-1] = replace(last, problems=(*last.problems, *self._clean_after(card)))

    def _judged(self, case: Case, card: Scorecard) -> None:
        check = card.checks[-1]
        problems: list[str] = []
        if card.isolation.level >= case.expected.protected.level:
            said = "\n".join([check.message, check.detail, *card.notes, *card.questions[0].source])
            problems += _differences(case.expected.protected, check.verdict, said, card.output)
        problems += self._invariants(card)
        self._add(case, check.verdict, problems, card)

    def _invariants(self, card: Scorecard) -> Iterator[str]:
        if more := processes(self.scratch) ^ self._processes:
            yield f"I3: processes came or went: {sorted(more)}"
        yield from self._unchanged()
        for name in self._told(card.to_json() + report.student_page(card)):
            yield f"I5: {name} is told"
        if card.seconds > self._wall_seconds + MORE_SECONDS:
            yield f"I6: it took {card.seconds:.1f} seconds; the limit is {self._wall_seconds:g}"
        if (card.isolation.level, card.isolation.verified) != (self._verified.level, self._verified.verified):
            yield f"I7: level {card.isolation.level} is reported, {self._verified.level} was verified"

    def _clean_after(self, card: Scorecard) -> Iterator[str]:
        if card.points != card.max_points:
            yield f"I1: a clean submission right after has {card.summary}: {[c.message for c in card.checks]}"
        if self._first and lasting(card) != lasting(self._first):
            yield "I2: a clean submission's scorecard differs from the one without an attack before it"

    def _unchanged(self) -> list[str]:
        before, now = self._state, self._stage.state()
        self._state = now
        changed = sorted(p for p in before.keys() | now.keys() if before.get(p) != now.get(p))
        workers = self.scratch / "workers"
        left = sorted(str(p) for p in workers.iterdir()) if self.scratch != Path() and workers.is_dir() else []
        return [f"I4: {path} was changed" for path in (*changed, *left)]

    def _told(self, text: str) -> list[str]:
        return [name for name, secret in self._stage.secrets.items() if secret in text]

    def _add(self, case: Case, verdict: str, problems: Sequence[str], card: Scorecard | None = None) -> None:
        expected = case.expected
        self.results.append(Result(case.name, expected.group, expected.about, verdict, tuple(problems), card))


def _differences(wanted: Protected, verdict: str, said: str, output: str) -> Iterator[str]:
    if verdict != wanted.verdict:
        yield f"{verdict}, wanted {wanted.verdict}: {said[:300]}"
    if wanted.message not in said:
        yield f"nobody says {wanted.message!r}: {said[:300]}"
    if wanted.output not in output:
        yield f"the output {output[:300]!r} lacks {wanted.output!r}"


def lasting(card: Scorecard) -> bytes:
    """A scorecard without its student and its timings, to be compared byte by byte."""

    def kept(value: Any) -> Any:
        if isinstance(value, list):
            return [kept(v) for v in value]
        if isinstance(value, dict):
            return {k: kept(v) for k, v in value.items() if k not in ("student_id", "seconds")}
        return value

    return json.dumps(kept(json.loads(card.to_json()))).encode()


def processes(scratch: Path) -> set[int]:
    """The living processes that come, by whatever way, from a zygote in this folder: their environment tells."""
    name = f"={scratch}{os.sep}".encode()
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if name in (folder / "environ").read_bytes():
                found.add(int(folder.name))
    return found


def main() -> int:
    """`python -m grader.attack FOLDER --json FILE`: run a suite, write the results; 1 when there is a problem."""
    results = attack(Path(sys.argv[1]))
    Path(sys.argv[3]).write_text(json.dumps([r.to_body() for r in results]), encoding="utf-8")
    return int(any(r.problems for r in results))


if __name__ == "__main__":
    sys.exit(main())
