"""Attack this machine's sandbox: hostile submissions through the real judge, and what must hold after each of them.

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
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from grader import assignment, report, sandbox
from grader.doctor.hostile import REJECTED, Case, Protected, accomplice, cases, handed_in, one_file, suite
from grader.doctor.stage import CLEAN, Stage, stage
from grader.errors import UsageError
from grader.model import Isolation, Scorecard
from grader.plan import Plan
from grader.scratch import Scratch

MORE_SECONDS = 2.0


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
    """`python -m grader.doctor.attack FOLDER --json FILE`: run a suite and write the results; 1 for a problem."""
    results = attack(Path(sys.argv[1]))
    Path(sys.argv[3]).write_text(json.dumps([r.to_body() for r in results]), encoding="utf-8")
    return int(any(r.problems for r in results))


if __name__ == "__main__":
    sys.exit(main())
