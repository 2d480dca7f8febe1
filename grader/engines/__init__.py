"""Where the judges of a class run.

The coordinator (grader/batch.py) parts a class into jobs; an engine runs each job's judge and passes on what it says.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from grader.engines.job import Engine, Job, Message

__all__ = ["Engine", "Job", "Message", "Name", "Where", "opened"]
Name = Literal["local", "ray", "slurm"]


@dataclass(frozen=True)
class Where:
    """The engine that was asked for; `address` is a Ray cluster's, or "local" for Slurm's jobs on this machine."""

    engine: Name = "local"
    address: str | None = None


@contextlib.contextmanager
def opened(where: Where, cpus: int, *, gpu: bool = False) -> Iterator[Engine | None]:
    """The engine, ready for as long as the block runs. A judge gets `cpus` processors, and a GPU if it needs one.

    None stands for this machine, on which what is warm has the scratch folder of a run and goes before that.

    Raises UsageError for what is not installed or does not answer.
    """
    if where.engine == "ray":
        from grader.engines.ray import Ray  # what a laptop need not load

        with Ray(where.address, cpus, gpu=gpu) as ray:
            yield ray
    elif where.engine == "slurm":
        from grader.engines.slurm import Slurm

        with Slurm(where.address, cpus, gpu=gpu) as slurm:
            yield slurm
    else:
        yield None
