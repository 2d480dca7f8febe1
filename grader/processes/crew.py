"""The workers of a run: which zygote they come from, and what is done when a zygote dies.

Theory of operation. There are two kinds of zygote, with torchvision imported and without: a class in which nobody asks
for one of them never pays for it.

A zygote may die: the machine runs out of memory, somebody kills it. Its workers die with it, and none of that is a
student's fault. So the crew starts another when the next worker is wanted, and what was asked is asked again, as often
as `Patience` allows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from grader.errors import WorkerLost
from grader.processes.origin import Lent, Zygote
from grader.processes.preludes import PLAIN, Prelude
from grader.processes.process import Allowance, Unanswered, Worker
from grader.sandbox import Sandbox

MOST_LOSSES = 3
T = TypeVar("T")


class Source(Protocol):
    """What workers come from."""

    def worker(self, allowance: Allowance, prelude: Prelude = PLAIN, *, networks: bool = True) -> Worker:
        """A fresh worker, with these modules imported already where that can be, and what networks need.

        Raises `WorkerLost`.
        """

    def rest(self) -> None:
        """Give back the memory that only the next worker will need."""

    def close(self) -> None:
        """End it; its workers die with it."""


class Patience:
    """Asks again when our own side of the sandbox was lost, for that is no answer of a student's.

    It gives up for good after `MOST_LOSSES` without an answer in between: one submission may not keep the others
    waiting for ever.
    """

    def __init__(self) -> None:
        self._losses = 0
        self._last = ""

    def answered(self, ask: Callable[[], T]) -> T:
        """What `ask` gives, or the `Unanswered` that it raises. Raises `WorkerLost` when patience is at its end."""
        while self._losses < MOST_LOSSES:
            try:
                answer = ask()
            except WorkerLost as e:
                self._losses += 1
                self._last = str(e)
            except Unanswered:
                self._losses = 0
                raise
            else:
                self._losses = 0
                return answer
        raise WorkerLost(
            f"the worker was lost {self._losses} times without an answer in between, each time by no fault of the "
            f"submission's that can be seen. See whether this machine runs out of memory, then grade again. "
            f"The last time: {self._last}"
        )


class Crew:
    """Workers from zygotes, each started when it is first needed, and anew when it has died.

    They stand behind the walls of `sandbox`; `secrets` are folders that each worker must fail to list. `start` gives
    zygotes that others hold, instead of our own, and `end` has them ended. The `first` is started at once, so that what
    is wrong with this machine is known at once. Raises `SandboxUnavailable`.
    """

    def __init__(
        self,
        scratch: Path,
        sandbox: Sandbox | None = None,
        secrets: tuple[Path, ...] = (),
        start: Callable[[Prelude], Lent] | None = None,
        first: Prelude = PLAIN,
        end: Callable[[], None] | None = None,
    ) -> None:
        self._end = end
        self._start = start or (lambda modules: Zygote(scratch, modules, sandbox, secrets))
        self._lock = threading.Lock()
        self._zygotes: dict[Prelude, Lent] = {first: self._start(first)}

    def worker(self, allowance: Allowance, prelude: Prelude = PLAIN, **_: bool) -> Worker:
        """A fresh worker of the zygote that has imported these modules."""
        return self._living(prelude).worker(allowance)

    def _living(self, modules: Prelude) -> Lent:
        with self._lock:
            zygote = self._zygotes.get(modules)
            if zygote is None or not zygote.alive:
                if zygote:
                    zygote.close()
                zygote = self._zygotes[modules] = self._start(modules)
            return zygote

    def rest(self) -> None:
        """End the zygotes, each of which has torch in its memory; the next worker starts one anew."""
        with self._lock:
            self.close()
            self._zygotes.clear()
            if self._end:
                self._end()

    @property
    def pids(self) -> dict[Prelude, int]:
        """The zygotes' process ids, by what they have imported."""
        return {modules: zygote.pid for modules, zygote in self._zygotes.items()}

    def close(self) -> None:
        """End the zygotes; their workers die with them."""
        for zygote in self._zygotes.values():
            zygote.close()
