"""The engine of a Slurm cluster, through submitit: each judge is a job, and messages come through a shared folder.

Slurm's machines share a file system, as does whatever submitit runs on; a folder there, which only its owner may enter,
holds the contents by digest and a file of messages for each job, for as long as the run lasts.
"""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from grader import content
from grader.engines import node
from grader.engines.cargo import Cargo, Hold
from grader.engines.job import ENDS, Job, Message
from grader.errors import UsageError
from grader.model import Submission

SHARE = 25  # submissions a job: a judge starts in seconds, and a queue fills gaps with short jobs
LOOK_SECONDS = 0.5  # how often the folder is looked at
ASK_SECONDS = 10.0  # how often Slurm is asked which jobs it has; squeue, for not every cluster keeps accounts
CLOSE_SECONDS = 30.0  # for cancelled jobs to end
MINUTES = 24 * 60  # SBATCH_TIMELIMIT asks for another time, SBATCH_PARTITION for a partition


class Slurm:
    """Jobs of Slurm; `address` "local" runs them on this machine, to try it out.

    Raises UsageError where submitit or Slurm is not installed.
    """

    def __init__(self, address: str | None, cpus: int, *, gpu: bool) -> None:
        if address not in (None, "local"):
            raise UsageError(f"--address {address} is nothing to Slurm: leave it out, or give `local` to try it out.")
        self._cluster = address or "slurm"
        self._asked = {"timeout_min": MINUTES, "cpus_per_task": cpus, "gpus_per_node": int(gpu)}
        self._folder = Path()
        self._executor: Any = None
        self._queue: set[str] | None = None
        self._asked_at = 0.0

    def __enter__(self) -> Slurm:
        try:
            submitit: Any = importlib.import_module("submitit")
        except ImportError as e:
            raise UsageError("submitit is not installed here: `pip install 'torchgrader[slurm]'`.") from e
        if self._cluster == "slurm" and not shutil.which("sbatch"):
            raise UsageError("Slurm's sbatch is not on this machine: start the command where jobs are submitted.")
        content.cache().mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix="slurm-", dir=content.cache()))
        self._executor = submitit.AutoExecutor(folder=self._folder / "jobs", cluster=self._cluster)
        self._executor.update_parameters(**self._asked, name="torchgrader")
        if self._cluster == "slurm":
            self._executor.update_parameters(slurm_additional_parameters={"no-requeue": True})
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def shares(self, submissions: Sequence[Submission]) -> list[list[Submission]]:
        """Shares of about equal size."""
        count = -(-len(submissions) // SHARE)
        return [list(submissions[n::count]) for n in range(count)]

    def run(self, jobs: Sequence[Job]) -> Generator[tuple[str, Message], None, None]:
        """All jobs at once, as far as the queue lets them."""
        self._queue, self._asked_at = None, time.monotonic()
        round_ = Path(tempfile.mkdtemp(dir=self._folder))
        hold = Hold()
        cargos = [hold.load(job) for job in jobs]
        for digest, data in hold.contents.items():
            (self._folder / digest).write_bytes(data)
        heard = {c.job.key: _Heard(round_ / c.job.key) for c in cargos}
        running: dict[str, Any] = {}
        try:
            for cargo in cargos:
                running[cargo.job.key] = self._submitted(cargo, heard[cargo.job.key])
            while running:
                for key in list(running):
                    for message in _news(heard[key], running[key], over=self._over(running[key])):
                        if message["event"] in ENDS:
                            running.pop(key)
                        yield key, message
                if running:
                    time.sleep(LOOK_SECONDS)
        finally:
            for job in running.values():
                job.cancel()
            end = time.monotonic() + CLOSE_SECONDS
            while time.monotonic() < end and not all(self._over(job) for job in running.values()):
                time.sleep(LOOK_SECONDS)  # the folder goes only when nothing writes there

    def _submitted(self, cargo: Cargo, heard: _Heard) -> Any:
        """A job in the queue. Raises UsageError with what Slurm says when it takes none."""
        try:
            return self._executor.submit(_task, cargo, self._folder, heard.path)
        except RuntimeError as e:  # submitit's FailedJobError, with all that sbatch has said
            said = [line.removeprefix("sbatch: ").removeprefix("error: ") for line in str(e).splitlines()]
            raise UsageError(
                f"Slurm takes no job ({'; '.join(dict.fromkeys(said))}): see whether `sinfo` answers, and to the "
                f"SBATCH_ variables that are set."
            ) from e

    def _over(self, job: Any) -> bool:
        """Whether a job has ended, in whatever way."""
        if self._cluster == "local":
            return bool(job.done())
        if time.monotonic() - self._asked_at > ASK_SECONDS:
            asked = subprocess.run(["squeue", "--noheader", "--format=%i"], capture_output=True, text=True, check=False)  # noqa: S607
            self._queue = set(asked.stdout.split()) if asked.returncode == 0 else None  # a controller may be away
            self._asked_at = time.monotonic()
        return self._queue is not None and job.job_id not in self._queue


class _Heard:
    """The messages of one job: a file that it writes, and how far that was read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0

    def more(self) -> list[Message]:
        """What was written since; a line that is not whole yet stays for the next time."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                lines = file.read()
        except FileNotFoundError:
            return []
        whole = lines[: lines.rfind(b"\n") + 1]
        self._read += len(whole)
        return [json.loads(line) for line in whole.splitlines()]


def _news(heard: _Heard, job: Any, *, over: bool) -> Iterator[Message]:
    """What a job has said since; one that was over before, and does not say so, is gone."""
    messages = heard.more()
    yield from messages
    if over and not any(m["event"] in ENDS for m in messages):
        yield {"event": "gone", "text": f"job {job.job_id} of Slurm ended without a word"}


def _task(cargo: Cargo, folder: Path, told: Path) -> None:
    """What runs as a job."""
    with told.open("a", encoding="utf-8") as file:
        for message in node.work(cargo, lambda digest: (folder / digest).read_bytes()):
            file.write(json.dumps(message) + "\n")
            file.flush()
