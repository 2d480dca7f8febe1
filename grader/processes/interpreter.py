"""Workers where nothing can be forked: each is a fresh interpreter, on Windows and macOS as on Linux."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from grader.processes.channel import PipeChannel
from grader.processes.life import FreshLife
from grader.processes.origin import COMPILER, clean_environment, python
from grader.processes.preludes import PLAIN

if TYPE_CHECKING:
    from grader.processes.process import Allowance, Worker


class Fresh:
    """What workers come from, each a new interpreter.

    To start one and import torch takes seconds. So one more than is wanted gets warm beforehand, while others work, as
    long as workers are `expected`.
    """

    def __init__(self, scratch: Path, expected: float = 0) -> None:
        self._scratch = scratch
        self._expected = expected
        self._next: _Interpreter | None = None
        self._prepare()

    def _prepare(self) -> None:
        if self._expected > 0:
            self._expected -= 1
            self._next = _Interpreter(self._scratch)

    def worker(self, allowance: Allowance, prelude: tuple[str, ...] = PLAIN, *, networks: bool = True) -> Worker:
        """A fresh worker, with these modules imported, and what networks need."""
        mine, self._next = self._next or _Interpreter(self._scratch), None
        self._prepare()
        return mine.worker(allowance, (*prelude, COMPILER) if networks else prelude)

    def rest(self) -> None:
        """Nothing is kept for long."""

    def close(self) -> None:
        """End the one that nobody wanted."""
        if self._next:
            self._next.end()
        self._next = None


class _Interpreter:
    """A fresh interpreter that gets warm, and becomes a worker once."""

    def __init__(self, scratch: Path) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the worker
        self._process = subprocess.Popen(
            [*python(), "-m", "grader.untrusted.fresh"],
            env=clean_environment(scratch),
            cwd=scratch,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=os.name == "posix",
        )

    def worker(self, allowance: Allowance, modules: tuple[str, ...]) -> Worker:
        """The worker that it becomes, with these limits."""
        from grader.processes.process import started

        plan = {"memory_bytes": allowance.memory_bytes, "cpu_seconds": allowance.cpu_seconds, "modules": modules}
        assert self._process.stdin is not None  # noqa: S101  # opened with a pipe
        with contextlib.suppress(OSError):  # of one that has ended already the wait for its "ready" tells
            self._process.stdin.write(json.dumps(plan).encode() + b"\n")
            self._process.stdin.flush()
        life = FreshLife(self._process, self._log, allowance.output_bytes)
        return started(PipeChannel(self._process, life.kill), life, allowance)

    def end(self) -> None:
        """Stop it before it has become anything."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]  # opened with pipes
        self._process.wait()
