"""The trainer: trains networks in processes of its own, each distinct one once, and remembers the results.

Theory of operation. A job is one network, a recipe and a seed. Its key is a digest of all that the result depends on:
the network's canonical form and initial weights, recipe, data, seed, torch, and the kind of processor. Equal keys give
equal bits, so a job whose key is in the cache, or in work, is not done again.

Each process holds the data set, has one thread, and does one job at a time. It gets a wire message and answers with
lines of JSON; what it has trained it writes to the cache, whole or not at all, and the trainer reads it there. Nothing
is pickled after the start. A job that takes too long is killed with its process, a process that dies is replaced, and
the jobs beside it notice nothing. Processes are started fresh, never forked from one that has threads, and end when
the process that started them ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import os
import platform
import queue
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata, util
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from grader import data as datasets
from grader.data import SHAPE, DataSet
from grader.errors import DataError
from grader.model import Verdict
from grader.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn

    from grader.training import Training
    from grader.wire import Message

CACHE_VERSION = 2  # raised when the same key would mean another result
BATCH = 64  # images in the batch that `overfit` learns by heart
# Stochastic depth makes it slow: torchvision's EfficientNet needs up to 47 steps when it is a quarter as wide, and 85
# as a B0 that leaves out half of its last blocks; without it 15 are enough at any width.
BATCH_STEPS = 100
START_SECONDS = 300  # importing torch takes 2 to 5, on a busy machine much longer
ENDING_SECONDS = 5
# Ends after which a process is replaced: it is still busy, its memory is in pieces, or its GPU context may be broken.
SPOILING = {
    "cpu": {Verdict.TIMED_OUT, Verdict.OUT_OF_MEMORY},
    "cuda": set(Verdict) - {Verdict.PASSED, Verdict.FAILED},
}
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class CapturedNetwork:
    """A network as captured, with the digests of its canonical form and of its weights; see `captured`."""

    ir: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    fingerprint: str
    weights_digest: str


@dataclass(frozen=True)
class PythonNetwork:
    """Class `name` of a trusted file, made without arguments after torch.manual_seed(seed)."""

    path: Path
    name: str
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Job:
    """One network to train by a recipe, or to let learn one batch by heart. Wall time counts from the job's start.

    With a `probe`, a copy of some test images that it transforms is scored as well; see grader.honesty.
    """

    network: CapturedNetwork | PythonNetwork
    recipe: Recipe
    seed: int = 0
    what: Literal["train", "overfit"] = "train"
    wall_seconds: float = 900.0
    memory_mib: int = 4096
    probe: int | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """How a job ended: PASSED with a `training` or, for overfit, `losses`; any other verdict with a `reason`.

    FAILED: the loss did not stay finite. RAISED: the network could not be run. INTERNAL: not the network's fault.
    `probe_logits`: the trained network's scores of the transformed copies, (P, C) float32, where the job had a probe.
    """

    key: str
    verdict: Verdict
    reason: str = ""
    training: Training | None = None
    losses: tuple[float, ...] = ()
    cached: bool = False
    probe_logits: Tensor | None = None


def captured(ir: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> CapturedNetwork:
    """A captured network with its digests. Raises grader.graph.rebuild.Refused."""
    from grader.graph import canonical

    return CapturedNetwork(ir, tensors, canonical.fingerprint(ir), canonical.weights_digest(ir, tensors))


class Trainer:
    """Trains in `jobs` processes on `device`; results are kept in the folder `cache`, or until it is closed.

    A context manager: on leaving, what is still queued is cancelled and what is running is stopped.
    """

    def __init__(self, data: DataSet, device: str = "cpu", jobs: int = 1, cache: Path | None = None) -> None:
        self._data = data
        self._device = device
        self._folder = Path(tempfile.mkdtemp(prefix="grader-trainer-"))
        self._cache = cache or self._folder / "cache"
        self._lock = threading.Lock()
        self._running: dict[str, Future[Outcome]] = {}
        self._threads = ThreadPoolExecutor(jobs, "trainer")
        self._processes = [_Process(self._folder / "data.safetensors", device) for _ in range(jobs)]
        # Last in, first out: a second process is only started when the first is busy.
        self._idle: queue.LifoQueue[_Process] = queue.LifoQueue()
        for process in self._processes:
            self._idle.put(process)

    def __enter__(self) -> Self:
        self._data.save(self._folder / "data.safetensors")
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:
            process.close()
        self._threads.shutdown(wait=True)
        for process in self._processes:
            process.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def submit(self, job: Job, progress: Progress | None = None) -> Future[Outcome]:
        """The outcome of a job, some day. A job in work already is not begun again: its future is given once more.

        `progress(done, epochs)` is called from another thread.
        """
        key = self.key(job)
        with self._lock:
            if key in self._running:
                return self._running[key]
            future = self._threads.submit(self._outcome, key, job, progress)
            self._running[key] = future
        future.add_done_callback(lambda _: self._forget(key))
        return future

    def key(self, job: Job) -> str:
        """Digest of all that the job's result depends on."""
        parts = {
            "version": CACHE_VERSION,
            "what": job.what,
            "network": _identity(job.network),
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
        path = self._cache / f"{key}.safetensors"
        if (known := _read(path, key, cached=True)) is not None:
            return known
        process = self._idle.get()
        try:
            verdict, reason = process.run(_request(key, job, path), job.wall_seconds, progress)
        finally:
            self._idle.put(process)
        if verdict is not Verdict.PASSED:
            return Outcome(key, verdict, reason)
        lost = Outcome(key, Verdict.INTERNAL, f"the result of a training could not be read back from {self._cache}")
        return _read(path, key, cached=False) or lost


def _identity(network: CapturedNetwork | PythonNetwork) -> list[Any]:
    if isinstance(network, CapturedNetwork):
        return [network.fingerprint, network.weights_digest]
    return [hashlib.sha256(network.path.read_bytes()).hexdigest(), network.name, network.seed]


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


def _read(path: Path, key: str, *, cached: bool) -> Outcome | None:
    """The outcome in a file of the cache; None when there is none, or not a whole one of this key."""
    from grader.training import Training

    try:
        tensors, note = datasets.load_tensors(path)
        if datasets.digest_of(key, tensors) != note["digest"]:
            return None
        if "losses" in tensors:
            return Outcome(key, Verdict.PASSED, losses=tuple(tensors["losses"].tolist()), cached=cached)
        curve = tuple((loss, accuracy) for loss, accuracy in tensors["curve"].tolist())
        scores = (tensors["logits"], tensors["initial_logits"])
        training = Training(*scores, curve, note["seconds"], note["cpu_seconds"])
        probe_logits = tensors.get("probe_logits")
        return Outcome(key, Verdict.PASSED, training=training, cached=cached, probe_logits=probe_logits)
    except (DataError, KeyError, TypeError):
        return None


class _Process:
    """One training process, seen from outside. It is started when first needed and after every end that spoils it."""

    def __init__(self, data: Path, device: str) -> None:
        self._arguments = (str(data), device)
        self._lock = threading.Lock()
        self._process: multiprocessing.process.BaseProcess | None = None
        self._channel: Connection | None = None
        self._closed = False

    def run(self, request: bytes, wall_seconds: float, progress: Progress | None) -> tuple[Verdict, str]:
        """Do one job: its verdict, and the reason for any but PASSED."""
        try:
            channel = self._ready()
        except (EOFError, OSError):
            return Verdict.INTERNAL, self._ended("before it was ready")
        try:
            channel.send_bytes(request)
            verdict, reason = _await(channel, wall_seconds, progress)
        except (EOFError, OSError):
            crashed = Verdict.INTERNAL if self._closed else Verdict.CRASHED
            return crashed, self._ended("while it trained the network")
        if verdict in SPOILING[self._arguments[1].partition(":")[0]]:
            self.stop()
        return verdict, reason

    def _ready(self) -> Connection:
        """The channel to a process that waits for a job."""
        if self._channel is not None:
            return self._channel
        with self._lock:
            if self._closed:
                raise EOFError
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs, *self._arguments), daemon=True)
            self._process.start()
            theirs.close()
            self._channel = ours
        if not ours.poll(START_SECONDS):
            raise EOFError
        ours.recv_bytes()
        return ours

    def _ended(self, when: str) -> str:
        """Clear away a process that died; what happened."""
        process = self._process
        if process is not None:
            process.join(ENDING_SECONDS)  # its channel closes a little before it has ended
        self.stop()
        if self._closed or process is None:
            return "the trainer was closed"
        code = process.exitcode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            hint = ", most likely because memory ran out" if name == "SIGKILL" else ""
            return f"the training process was ended by {name} {when}{hint}"
        return f"the training process ended with exit code {code} {when}"

    def stop(self) -> None:
        """End the process; the next job starts another. Only for the thread that has the process in use."""
        process, channel = self._process, self._channel
        self._process = self._channel = None
        if process is not None:
            process.kill()
            process.join()
        if channel is not None:
            channel.close()

    def close(self) -> None:
        """Kill the process for good; the thread that waits for it finds its channel closed."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()


def _await(channel: Connection, wall_seconds: float, progress: Progress | None) -> tuple[Verdict, str]:
    """The end of the job that was sent. Raises EOFError when the process dies."""
    deadline = time.monotonic() + wall_seconds
    while channel.poll(max(0.0, deadline - time.monotonic())):
        reply = json.loads(channel.recv_bytes())
        if "verdict" in reply:
            return Verdict(reply["verdict"]), reply["reason"]
        if progress:
            progress(*reply["progress"])
    return Verdict.TIMED_OUT, f"the network was still training after {wall_seconds:g} s"


# --- inside a training process ------------------------------------------------------------------------------------


def _serve(channel: Connection, data: str, device: str) -> None:
    """Do jobs until the channel closes."""
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", OMP_WAIT_POLICY="passive")  # before torch
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator decides what an interrupt stops
    _end_with_parent()
    import torch

    from grader import wire

    torch.set_num_threads(1)
    work = _Work(datasets.load(Path(data)), device, channel)
    channel.send_bytes(b"ready")
    with contextlib.suppress(EOFError, OSError):
        while True:
            verdict, reason = work.do(wire.unpack(channel.recv_bytes()))
            channel.send_bytes(json.dumps({"verdict": verdict, "reason": reason}).encode())


def _end_with_parent() -> None:
    """A process in the middle of a training does not read its channel, so a thread watches for the parent's end."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101  # only ever run by _Process

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@dataclass(frozen=True)
class _Model:
    """A network made from a request, and how it must be fed."""

    module: nn.Module
    static_batch: int | None
    contiguous: bool


class _Work:
    """The jobs of one process, and what they have in common."""

    def __init__(self, data: DataSet, device: str, channel: Connection) -> None:
        self._data = data
        self._device = device
        self._channel = channel
        self._part: tuple[tuple[int | None, int | None], DataSet] = ((None, None), data)

    def do(self, message: Message) -> tuple[Verdict, str]:
        """One job: its verdict, and the reason for any but PASSED."""
        from grader.training import Diverged

        try:
            if self._device == "cpu":
                _limit_memory(message.body["memory_mib"])
            self._write(message, *self._results(message))
            return Verdict.PASSED, ""
        except Diverged as e:
            return Verdict.FAILED, str(e)
        except Exception as e:  # noqa: BLE001  # whatever a network does, the next one must not notice
            text = f"{type(e).__name__}: {e}".split("\n")[0]
            if isinstance(e, MemoryError) or any(words in str(e) for words in OUT_OF_MEMORY):
                return Verdict.OUT_OF_MEMORY, f"the network needs more memory than it may have ({text})"
            return (Verdict.INTERNAL if message.kind == "python" else Verdict.RAISED), text

    def _results(self, message: Message) -> tuple[dict[str, Tensor], dict[str, Any]]:
        recipe = Recipe(**message.body["recipe"])
        model = _rebuilt(message) if message.kind == "captured" else _python(message, recipe)
        return (
            self._overfit(model, message) if message.body["what"] == "overfit" else self._train(model, message, recipe)
        )

    def _overfit(self, model: _Model, message: Message) -> tuple[dict[str, Tensor], dict[str, Any]]:
        import torch

        from grader.training import known_by_heart, overfit_batch

        n = model.static_batch or BATCH
        losses = overfit_batch(
            model.module,
            self._data.train_images[:n],
            self._data.train_labels[:n],
            BATCH_STEPS,
            seed=message.body["seed"],
            device=self._device,
            contiguous=model.contiguous,
            enough=known_by_heart(len(self._data.classes)),
        )
        return {"losses": torch.tensor(losses, dtype=torch.float64)}, {}

    def _train(self, model: _Model, message: Message, recipe: Recipe) -> tuple[dict[str, Tensor], dict[str, Any]]:
        import torch

        from grader.honesty import with_copies
        from grader.training import train

        data = self._subset(recipe)
        count = len(data.test_images)
        result = train(
            model.module,
            data.train_images,
            data.train_labels,
            with_copies(data.test_images, message.body["probe"]),
            recipe,
            message.body["seed"],
            self._device,
            model.contiguous,
            self._tell,
            model.static_batch,
        )
        curve = torch.tensor(result.curve, dtype=torch.float64)
        tensors = {"curve": curve}
        tensors |= {"logits": result.logits[:count], "initial_logits": result.initial_logits[:count]}
        if message.body["probe"] is not None:
            tensors["probe_logits"] = result.logits[count:]
        return tensors, {"seconds": result.seconds, "cpu_seconds": result.cpu_seconds}

    def _write(self, message: Message, tensors: dict[str, Tensor], note: dict[str, Any]) -> None:
        """Put the result in the cache."""
        digest = datasets.digest_of(message.body["key"], tensors)
        datasets.save_tensors(Path(message.body["path"]), tensors, {**note, "digest": digest})

    def _subset(self, recipe: Recipe) -> DataSet:
        """The images of a recipe; those of the last recipe are kept."""
        wanted = (recipe.train_per_class, recipe.test_per_class)
        if self._part[0] != wanted:
            self._part = (wanted, self._data.subset(*wanted))
        return self._part[1]

    def _tell(self, done: int, epochs: int) -> None:
        self._channel.send_bytes(json.dumps({"progress": [done, epochs]}).encode())


def _rebuilt(message: Message) -> _Model:
    from grader.graph.rebuild import rebuild

    network = rebuild(message.body["ir"], message.tensors)
    return _Model(network, network.batch, contiguous=False)


def _python(message: Message, recipe: Recipe) -> _Model:
    """A trusted class, trained from its graph like any network; as it is written where it cannot be captured."""
    import torch

    from grader.graph.capture import NotCapturable, capture
    from grader.graph.rebuild import rebuild

    path = Path(message.body["file"])
    spec = util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses and pickle look a class's module up here
    spec.loader.exec_module(module)
    torch.manual_seed(message.body["weights_seed"])
    model = getattr(module, message.body["name"])()
    try:
        found = capture(model, SHAPE, recipe.batch_size)
    except NotCapturable:
        return _Model(model, None, contiguous=True)
    network = rebuild(found.ir, found.tensors)
    return _Model(network, network.batch, contiguous=False)


def _limit_memory(mib: int) -> None:
    """Let the job allocate so much more than the process has now, where the system can count it (Linux)."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])
    except (ImportError, OSError):
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = pages * resource.getpagesize() + (mib << 20)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
