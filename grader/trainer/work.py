"""Inside a training process: it gets jobs, trains, and writes the results to the cache. No student code runs here."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from dataclasses import dataclass
from importlib import util
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader import data as datasets
from grader import forked
from grader.data import SHAPE, DataSet
from grader.model import Verdict
from grader.recipe import Recipe
from grader.trainer import cache

if TYPE_CHECKING:
    from torch import Tensor, nn

    from grader.wire import Message

BATCH = 64  # images in the batch that `overfit` learns by heart
# Stochastic depth makes it slow: torchvision's EfficientNet needs up to 47 steps when it is a quarter as wide, and 85
# as a B0 that leaves out half of its last blocks; without it 15 are enough at any width.
BATCH_STEPS = 100
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


def serve(channel: Connection, data: str, device: str) -> None:
    """Do jobs until the channel closes."""
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", OMP_WAIT_POLICY="passive")  # before torch
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS may round otherwise the next time
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator decides what an interrupt stops
    forked.end_with_parent()
    import torch

    torch.set_num_threads(1)
    loaded = datasets.load(Path(data))
    channel.send_bytes(b"ready")
    attend(channel, loaded, device)


def practise() -> None:
    """Load what the first training of a process loads, which takes a second: those that are forked find it done."""
    import torch

    from grader import training  # noqa: F401  # as above
    from grader.graph import rebuild  # noqa: F401

    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)


def attend(channel: Connection, data: DataSet, device: str) -> None:
    """Do jobs with torch there and one thread, until the channel closes."""
    from grader import wire

    work = _Work(data, device, channel)
    with contextlib.suppress(EOFError, OSError):
        while True:
            verdict, reason = work.do(wire.unpack(channel.recv_bytes()))
            channel.send_bytes(json.dumps({"verdict": verdict, "reason": reason}).encode())


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
            body = message.body
            cache.write(Path(body["path"]), body["key"], *self._results(message))
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
        message.tensors.clear()  # the network has its own copies
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
