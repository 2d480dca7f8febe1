"""The queue of jobs: each key is trained once, in the next idle process, unless it is known already."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Self

from grader.data import DataSet
from grader.model import Verdict
from grader.scratch import Scratch
from grader.trainer import cache as kept
from grader.trainer.job import CapturedNetwork, Job, Outcome, identity
from grader.trainer.place import GONE, Place
from grader.trainer.process import Process, Progress

CACHE_VERSION = 2  # raised when the same key would mean another result
ATTEMPTS = 2
PLACES = 4


@dataclass(frozen=True)
class Counts:
    """How many of the jobs were really done, were remembered, and were in work already when they were asked for."""

    done: int = 0
    remembered: int = 0
    joined: int = 0


class Trainer:
    """Trains in `jobs` processes on `device`; results are kept in the folder `cache`, or until it is closed.

    With a `place` at the pool of several judges the processes are the pool's, and the cache must be one that all of
    them share. A context manager: on leaving, what is still queued is cancelled and what is running is stopped.
    """

    def __init__(
        self,
        data: DataSet,
        device: str = "cpu",
        jobs: int = 1,
        cache: Path | None = None,
        place: Place | None = None,
    ) -> None:
        self._data = data
        self._place = place
        self._device = device
        self._scratch = Scratch("trainer")  # a judge may be killed
        self._folder = self._scratch.path
        self._cache = cache or self._folder / "cache"
        self._lock = threading.Lock()
        self._running: dict[str, Future[Outcome]] = {}
        self._counts = Counts()
        self._threads = ThreadPoolExecutor(jobs, "trainer")
        self._processes = [Process(self._folder / "data.safetensors", device) for _ in range(jobs)]
        # Last in, first out: a second process is only started when the first is busy.
        self._idle: queue.LifoQueue[Process] = queue.LifoQueue()
        for process in self._processes:
            self._idle.put(process)

    def __enter__(self) -> Self:
        if self._place is None:
            self._data.save(self._folder / "data.safetensors")
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._place:
            self._place.close()
        for process in self._processes:
            process.close()
        self._threads.shutdown(wait=True)
        for process in self._processes:
            process.stop()
        self._scratch.close()

    def submit(self, job: Job, progress: Progress | None = None) -> Future[Outcome]:
        """The outcome of a job, some day. A job in work already is not begun again: its future is given once more.

        `progress(done, epochs)` is called from another thread.
        """
        key = self.key(job)
        with self._lock:
            if key in self._running:
                self._counts = replace(self._counts, joined=self._counts.joined + 1)
                return self._running[key]
            future = self._threads.submit(self._outcome, key, job, progress)
            self._running[key] = future
        future.add_done_callback(lambda _: self._forget(key))
        return future

    @property
    def counts(self) -> Counts:
        """What has become of the jobs so far."""
        return self._counts

    @property
    def cache(self) -> Path:
        """The folder of what was trained."""
        return self._cache

    def key(self, job: Job) -> str:
        """Digest of all that the job's result depends on."""
        parts = {
            "version": CACHE_VERSION,
            "what": job.what,
            "network": identity(job.network),
            "recipe": job.recipe.to_dict() if job.what == "train" else None,
            "seed": job.seed,
            "probe": job.probe if job.what == "train" else None,
            "data": self._data.digest,
            "torch": metadata.version("torch"),
            "threads": 1,
            "processor": self._processor,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @cached_property
    def _processor(self) -> str:
        """The kind of processor or GPU: the same sums are rounded otherwise on another one."""
        if self._device.startswith("cuda"):
            import torch

            return torch.cuda.get_device_name(self._device)
        with contextlib.suppress(OSError):
            lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
        return f"{platform.machine()} {platform.processor()}"

    def _forget(self, key: str) -> None:
        with self._lock:
            self._running.pop(key, None)

    def _outcome(self, key: str, job: Job, progress: Progress | None) -> Outcome:
        """From the cache, else from the next idle process."""
        path = kept.path_of(self._cache, key)
        if (known := kept.read(path, key, cached=True)) is not None:
            with self._lock:
                self._counts = replace(self._counts, remembered=self._counts.remembered + 1)
            return known
        with self._lock:
            self._counts = replace(self._counts, done=self._counts.done + 1)
        request = _request(key, job, path)
        for again in (False, True) if self._place else (False,):
            verdict, reason = self._done(key, request, job, progress, again=again)
            if verdict is not Verdict.PASSED:
                return Outcome(key, verdict, reason)
            if (made := kept.read(path, key, cached=False)) is not None:
                return made
        return Outcome(key, Verdict.INTERNAL, f"the result of a training could not be read back from {self._cache}")

    def _done(
        self, key: str, request: bytes, job: Job, progress: Progress | None, *, again: bool
    ) -> tuple[Verdict, str]:
        """Have it done; twice if need be, for somebody may have killed the process, which is no fault of the network's.

        A place that is gone is ours and runs no network: it is asked for anew a few times, for one that is just dying
        may still take a connection. `again`: another judge is said to have had it done, and its result cannot be read.
        """
        crashes = losses = 0
        while crashes < ATTEMPTS and losses < PLACES:
            verdict, reason = self._once(key, request, job.wall_seconds, progress, again=again)
            if verdict is not Verdict.CRASHED:
                return verdict, reason
            lost = reason == GONE
            crashes, losses = crashes + (not lost), losses + lost
        return (Verdict.INTERNAL if lost else verdict), reason

    def _once(
        self, key: str, request: bytes, seconds: float, progress: Progress | None, *, again: bool
    ) -> tuple[Verdict, str]:
        if self._place:
            return self._place.run(key, request, seconds, self._device, progress, again=again)
        process = self._idle.get()
        try:
            return process.run(request, seconds, progress)
        finally:
            self._idle.put(process)


def _request(key: str, job: Job, path: Path) -> bytes:
    from grader import wire

    body = {
        "key": key,
        "path": str(path),
        "what": job.what,
        "recipe": job.recipe.to_dict(),
        "seed": job.seed,
        "memory_mib": job.memory_mib,
        "probe": job.probe,
    }
    if isinstance(job.network, CapturedNetwork):
        return wire.pack(wire.Message("captured", {**body, "ir": job.network.ir}, dict(job.network.tensors)))
    python = {"file": str(job.network.path), "name": job.network.name, "weights_seed": job.network.seed}
    return wire.pack(wire.Message("python", {**body, **python}))
