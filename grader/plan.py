"""How a run grades: what the coordinator tells the judge. No torch, no files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Device = Literal["auto", "cpu", "cuda"]
Speed = Literal["quick", "full"]


@dataclass(frozen=True)
class Plan:
    """How to grade. Paths are absolute strings, so that the plan can cross to the judge; `fresh`: no zygote.

    `train` False leaves out what needs training, "one_batch" all of it but the learning of one batch; `cache` holds
    what was trained before. Below isolation level `require` nothing is run; below level 2, which is no sandbox, hidden
    checks need `trust`. `frugal` does one thing after another, with one judge, where memory is short; it is not for
    whole trainings. `questions` are the only ones that are run; none named means all. `trained` is a folder that was
    copied into the cache, and is only read.
    """

    assignment: str
    reference: str | None
    data: str | None
    device: Device
    speed: Speed
    jobs: int
    cache: str | None
    scratch: str = ""
    fresh: bool = False
    train: bool | Literal["one_batch"] = True
    require: int = 0
    trust: bool = False
    frugal: bool = False
    questions: tuple[str, ...] = ()
    trained: str | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Folders that no student code may list: the solutions', and the cache, for it keeps their networks."""
        return tuple(filter(None, (self.reference, self.cache, self.trained))) if self.reference else ()
