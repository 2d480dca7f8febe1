"""One worker that has read some questions of a submission, and its replies held against what a reply may be.

A worker that dies takes only the request that killed it with it; the next request starts a fresh one. One that is lost
by no fault of the submission's, because its zygote died, is replaced and asked again.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from typing import Any

from grader import wire
from grader.assignment import Assignment, Limits, Question
from grader.errors import WorkerLost
from grader.model import File, Verdict
from grader.processes import advice, exchange
from grader.processes.crew import Patience, Source
from grader.processes.preludes import practises, prelude
from grader.processes.process import KILL, Allowance, Unanswered, Worker

OUT_OF_MEMORY_WORDS = ("can't allocate memory", "not enough memory", "out of memory")
REFUSED = re.compile(
    r"[Pp]ermission denied|Operation not permitted|Read-only file system"
    r"|name resolution|Network is unreachable|no network here"
)
"""What torch and Python say of what the sandbox refuses, under other types than PermissionError."""
DEATHS = frozenset({Verdict.TIMED_OUT, Verdict.CRASHED, Verdict.OUT_OF_MEMORY})


STEPS = {
    "whole": "The whole file was run, because a name's own statements lacked something, and that gave nothing",
    "role": "Networks were tried, to see which of them is meant, and that gave nothing",
    "within": "What stands inside functions was tried as if it stood outside, and that gave nothing",
    "record": "The code was run to see which layers it uses, and that gave nothing",
}
"""The other ways in which a worker can look for an answer, in their order, and what to say when one fails."""
COMPLETING = "The whole file was run, because {} lacked a name when it was called, and that gave nothing"


class Station:
    """One worker that has read some questions; started anew after a death."""

    def __init__(
        self,
        files: Sequence[File],
        questions: list[Question],
        assignment: Assignment,
        crew: Source,
        patience: Patience | None = None,
    ) -> None:
        self._patience = patience or Patience()
        self._prelude = prelude(f.data for f in files)
        self._practises = practises((f.data for f in files), networks=any(q.network for q in questions))
        self._files = files
        self.questions = questions
        self._assignment = assignment
        self._crew = crew
        self._worker: Worker | None = None
        self._read: dict[str, Any] | None = None
        self._refusal: Unanswered | None = None
        self._given_up: set[str] = set()  # ways of finding an answer that ended the worker
        self._completed: set[str] = set()  # names for which this worker has run the whole file
        self._was_killed = False
        self._printed: list[str] = []
        self._tries: list[str] = []
        self._remarks_on_steps: list[str] = []
        self.remarks: tuple[str, ...] = ()

    @property
    def limits(self) -> Limits:
        """The most generous limits of its questions."""
        limits = [self._assignment.limits_of(q) for q in self.questions]
        return Limits(
            wall_seconds=max(x.wall_seconds for x in limits),
            memory_mib=max(x.memory_mib for x in limits),
            output_kib=max(x.output_kib for x in limits),
        )

    def read(self) -> dict[str, Any]:
        """What was found of each question. Raises `Unanswered` when nothing could be read at all."""
        if self._read is None:
            self._patience.answered(self._start)
        if self._refusal:
            raise self._refusal
        assert self._read is not None  # noqa: S101  # _start sets one of the two
        return self._read

    def _start(self) -> None:
        """A living worker that has read the questions, or a refusal.

        What is not found by name is looked for in other ways; one that ends the worker is left from then on.
        """
        if self._refusal or (self._worker and self._worker.alive):
            return
        try:
            self._load()
        except Unanswered as e:
            self._refusal = e
            return
        for step in STEPS:
            if step in self._tries and step not in self._given_up and not self._again(step):
                self._start()
                return

    def _again(self, step: str) -> bool:
        """Look in another way for what is still open; whether the worker lives on."""
        assert self._worker is not None  # noqa: S101  # it has just been loaded
        try:
            self._look(step)
        except Unanswered as e:
            self._given_up.add(step)
            self._remarks_on_steps.append(f"{STEPS[step]}: {e}")
        return self._worker.alive

    def _look(self, step: str, name: str = "") -> None:
        request = wire.Message("again", {"step": step, "name": name, "seed": self._assignment.seeds.public})
        found = self._ask_worker(request, self._assignment.limits.wall_seconds)
        self._take(self._accepted(found, "the submission"))

    def _complete(self, name: str) -> bool:
        """Have the whole file run for a name that lacked another when it was called, once; whether that was done."""
        if name in self._completed | self._given_up:
            return False
        self._completed.add(name)
        try:
            self._look("call", name)
        except Unanswered as e:
            self._given_up.add(name)
            self._remarks_on_steps.append(f"{COMPLETING.format(name)}: {e}")
            return False
        return True

    def _take(self, reply: wire.Message) -> None:
        """Believe of what was found as much as can be understood."""
        self._read = exchange.readings(reply, self.questions)
        self._tries = exchange.strings(reply.body.get("tries"))
        self.remarks = (*exchange.remarks(reply), *self._remarks_on_steps)

    def _load(self) -> None:
        """Start a worker that reads the questions; the assignment's own limit holds, whatever a network may take."""
        limits = self.limits
        cpu_seconds = int(limits.wall_seconds * 4 + 60)
        allowance = Allowance(limits.memory_mib << 20, limits.output_kib << 10, cpu_seconds)
        self._worker = self._crew.worker(allowance, self._prelude, networks=self._practises)
        self._completed.clear()
        request = exchange.load(self._files, self.questions, self._assignment)
        found = self._ask_worker(request, self._assignment.limits.wall_seconds)
        self._take(self._accepted(found, "the submission"))

    def ask(self, request: wire.Message, wall_seconds: float, name: str) -> wire.Message:
        """The reply to a request about `name`; asked twice if it lacked a name of its file. Raises `Unanswered`."""

        def ask() -> wire.Message:
            self._start()
            self.read()
            return self._ask_worker(request, wall_seconds)

        reply = self._patience.answered(ask)
        if reply.kind == "raised" and reply.body.get("type") == "NameError" and self._complete(name):
            reply = self._patience.answered(ask)
        return self._accepted(reply, name)

    def _ask_worker(self, request: wire.Message, wall_seconds: float) -> wire.Message:
        assert self._worker is not None  # noqa: S101  # started by the caller
        try:
            return self._worker.ask(request, wall_seconds)
        except Unanswered as e:
            if self._killed_by_another(e, self._worker):
                raise WorkerLost("the worker was killed, and none of its limits says why") from e
            self._printed.append(self._worker.output)
            raise

    def _killed_by_another(self, why: Unanswered, worker: Worker) -> bool:
        """Whether a kill that none of its limits explains ended it: a person's, or the system's for want of memory.

        Once, that is taken for no fault of the submission's, and it is asked again; a second time it stands.
        """
        if why.verdict is not Verdict.OUT_OF_MEMORY or self._was_killed:
            return False
        death = worker.end()
        self._was_killed = death.signal == KILL and death.memory_bytes < self.limits.memory_mib << 20
        return self._was_killed

    def _accepted(self, reply: wire.Message, name: str) -> wire.Message:
        """The reply, unless it says that there is no answer."""
        if reply.kind == "unreadable":
            raise Unanswered(Verdict.MISSING, sentence(exchange.text(reply.body.get("message", ""))))
        if reply.kind == "refused":
            raise Unanswered(Verdict.FAILED, sentence(exchange.text(reply.body.get("message", ""))))
        if reply.kind == "raised":
            raise self.raised(name, reply.body)
        return reply

    def raised(self, name: str, body: dict[str, Any], when: str = "") -> Unanswered:
        """What to say of an exception of the student's code, and what to do about it."""
        kind, text, where, package, detail = (
            exchange.text(body.get(k, "")) for k in ("type", "message", "where", "package", "detail")
        )
        if kind == "MemoryError" or any(words in text for words in OUT_OF_MEMORY_WORDS):
            more = f"{name} needed more memory than the {self.limits.memory_mib} MiB allowed{_by_how_much(text)}."
            return Unanswered(Verdict.OUT_OF_MEMORY, f"{more} {advice.LARGE}", detail)
        verdict = Verdict.FORBIDDEN if kind == "PermissionError" or REFUSED.search(text) else Verdict.RAISED
        parts = [f"{name} raised {kind}", when, f"at {where}" if where else ""]
        what = f"{' '.join(p for p in parts if p)}: {text or 'no message'}"
        do = advice.on_missing(package, self._assignment.allowed_packages) if package else advice.on(kind, text)
        return Unanswered(verdict, f"{what.rstrip('.')}. {do}" if do else what, detail)

    def close(self) -> str:
        """End the worker; what the code printed."""
        if self._worker and self._worker.alive:
            with contextlib.suppress(WorkerLost):  # how it ends does not matter any more
                self._worker.end()
            self._printed.append(self._worker.output)
        return "".join(self._printed)


def _by_how_much(text: str) -> str:
    """What torch says that it was asked for."""
    asked = re.search(r"tried to allocate (\d{1,30}) bytes", text)
    return f": it asked for {int(asked[1]) >> 20} MiB more at once" if asked else ""


def sentence(text: str) -> str:
    """A worker's words as a sentence: its first letter, where that begins no name, and its full stop."""
    begun = text[:1].upper() + text[1:] if text.startswith(("the ", "nothing ")) else text
    return f"{begun}." if begun and begun[-1] not in ".!?:…" else begun
