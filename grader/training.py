"""The training loop. Runs beside student code as well as in the trainer: the standard library, torch, recipe, scores.

Theory of operation. All images stay in memory as bytes, channels innermost. A step draws three numbers per image (which
image, vertical shift, horizontal shift and side); one gather with reflected coordinates then makes the augmented
batch, which is scaled to mean 0 and deviation 1 on the way to float. Nothing is decoded, copied or handed between
processes in the loop, and the loss stays on the device until the end of an epoch. On a GPU the whole step, augmentation
and optimiser included, is recorded once as a CUDA graph and replayed.

All randomness comes from the seed. With one thread on one kind of processor, equal arguments give equal bits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grader import scores
from grader.recipe import Recipe

EVALUATION_BATCH = 250  # larger batches leave the processor's cache; a GPU is filled by it all the same
RECENT = 5  # losses of that many steps are averaged: with stochastic depth each is a network of its own
WARM_STEPS = 3  # what PyTorch asks for before a CUDA graph is recorded

Step = Callable[[Tensor], None]
"""One training step on the images drawn for it, (3, B)."""

Progress = Callable[[int, int], None]
"""Told the epochs that are done and how many there are."""


class Diverged(ArithmeticError):
    """The loss or the scores stopped being finite numbers."""


@dataclass(frozen=True, eq=False)
class Training:
    """What a training gives. Scores are of the test images, (N, C) float32 on the CPU, before and after training.

    `curve` has (mean loss, accuracy from 0 to 1) of each epoch, measured on the augmented images while learning them.
    """

    logits: Tensor
    initial_logits: Tensor
    curve: tuple[tuple[float, float], ...]
    seconds: float
    cpu_seconds: float


def train(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    test_images: Tensor,
    recipe: Recipe,
    seed: int,
    device: str = "cpu",
    contiguous: bool = False,
    progress: Progress | None = None,
    static_batch: int | None = None,
    cuda_graph: bool = True,
) -> Training:
    """Train `model` in place by the recipe and score the test images before and after.

    `images`, `test_images`: (N, C, H, W) uint8; `labels`: (N,) int64. `contiguous`: give the model plain NCHW batches,
    as code written by hand expects; a rebuilt graph is faster without. `static_batch`: the only number of images that
    the model accepts at once.

    Of several outputs the scores are taken; see grader.scores. Cross entropy is applied to whatever they are: a
    log-softmax head is not changed by it, and a softmax head learns slowly, as it does anywhere.

    Raises Diverged; ValueError when there is nothing to train or the batches do not fit.
    """
    started, started_cpu = time.perf_counter(), time.process_time()
    _keep_memory()
    _repeat_on(device)
    batch = _batch_size(len(images), recipe.batch_size, static_batch)
    pictures = _pictures(images, labels, recipe, device, contiguous)
    was_training = model.training
    with torch.random.fork_rng(_devices(device)):
        torch.manual_seed(seed)
        learner = _learner(model, pictures, recipe, static_batch or batch)
        initial = learner.evaluate(test_images, static_batch)
        step = learner.recorded(batch) if cuda_graph and device.startswith("cuda") else learner.learn
        curve = tuple(_epochs(learner, step, batch, seed, progress))
        logits = learner.evaluate(test_images, static_batch)
    model.train(was_training)
    if not logits.isfinite().all():
        raise Diverged("the trained network's scores are not finite numbers")
    return Training(logits, initial, curve, time.perf_counter() - started, time.process_time() - started_cpu)


def overfit_batch(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    steps: int = 20,
    seed: int = 0,
    learning_rate: float = 2e-3,
    device: str = "cpu",
    contiguous: bool = False,
    enough: float = 0.0,
) -> list[float]:
    """The loss before each of `steps` AdamW steps on one batch: a sound network soon knows it by heart.

    `images`: (N, C, H, W) uint8, not augmented; `labels`: (N,) int64. It ends when the recent losses are below
    `enough` on average. Trains `model` in place. Raises Diverged, ValueError.
    """
    recipe = Recipe(1, _batch_size(len(images), len(images), None), learning_rate, "adamw", weight_decay=0.0, shift=0)
    pictures = _pictures(images, labels, recipe, device, contiguous)
    draw = torch.zeros(3, len(images), dtype=torch.int64, device=device)
    draw[0] = torch.arange(len(images))  # each image once, neither shifted nor mirrored
    losses: list[float] = []
    with torch.random.fork_rng(_devices(device)):
        torch.manual_seed(seed)
        learner = _learner(model, pictures, recipe, len(images))
        model.train()
        for _ in range(steps):
            learner.tally.zero_()
            learner.learn(draw)
            losses.append(float(learner.tally[0]) / len(images))
            if not math.isfinite(losses[-1]):
                raise Diverged(f"the loss stopped being a finite number within {steps} steps on one batch")
            if len(losses) >= RECENT and recent(losses) < enough:
                break
    return losses


def known_by_heart(classes: int) -> float:
    """The recent loss below which a batch counts as learnt: half of what guessing among so many classes gives."""
    return math.log(classes) / 2


def recent(losses: Sequence[float]) -> float:
    """The mean of the last few losses."""
    return sum(losses[-RECENT:]) / len(losses[-RECENT:])


@dataclass(frozen=True, eq=False)
class _Pictures:
    """Images in memory, and how a batch of them is made. `mean` and `deviation` are of all their bytes."""

    pixels: Tensor  # (N H W, C) uint8
    labels: Tensor  # (N,) int64
    rows: Tensor  # (S, H): the rows to read for each of S shifts
    columns: Tensor  # (2 S, W): the columns to read for each shift, then the same mirrored
    mean: float
    deviation: float
    contiguous: bool

    def batch(self, draw: Tensor) -> tuple[Tensor, Tensor]:
        """The drawn images, (B, C, H, W) float32, and their labels, (B,)."""
        which, down, across = draw
        height, width = self.rows.shape[1], self.columns.shape[1]
        row = which[:, None] * height + self.rows[down]  # (B, H)
        place = row[:, :, None] * width + self.columns[across][:, None, :]  # (B, H, W)
        pixels = self.pixels.index_select(0, place.reshape(-1))  # copies whole pixels: three times as fast as indexing
        return self.scaled(pixels.view(*place.shape, -1)), self.labels[which]

    def scaled(self, pixels: Tensor) -> Tensor:
        """(B, H, W, C) bytes as (B, C, H, W) float32, in the memory order that the network is given."""
        images = pixels.permute(0, 3, 1, 2).to(torch.float32, memory_format=self.order)
        return images.sub_(self.mean).mul_(1 / self.deviation)

    @property
    def order(self) -> torch.memory_format:
        """How a batch lies in memory."""
        return torch.contiguous_format if self.contiguous else torch.channels_last


def _pictures(images: Tensor, labels: Tensor, recipe: Recipe, device: str, contiguous: bool) -> _Pictures:
    images = images.to(device)
    counts = torch.bincount(images.reshape(-1), minlength=256).double().cpu()  # whole numbers: no rounding to differ
    levels = torch.arange(256, dtype=torch.float64)
    mean = float((counts * levels).sum() / counts.sum())
    variance = float((counts * (levels - mean) ** 2).sum() / counts.sum())
    rows, columns = (_reflected(size, recipe.shift).to(device) for size in images.shape[2:])
    return _Pictures(
        pixels=images.permute(0, 2, 3, 1).reshape(-1, images.shape[1]),
        labels=labels.to(device),
        rows=rows,
        columns=torch.cat([columns, columns.flip(1)]),
        mean=mean,
        deviation=math.sqrt(variance) or 1.0,
        contiguous=contiguous or not recipe.channels_last,
    )


def _reflected(size: int, shift: int) -> Tensor:
    """(2 shift + 1, size): the coordinates that each shift reads, mirrored at the borders without repeating them."""
    reach = torch.arange(-shift, shift + 1)[:, None] + torch.arange(size)
    return (size - 1) - ((size - 1) - reach.abs()).abs()


@dataclass(frozen=True, eq=False)
class _Learner:
    """A network with what it learns from. `tally` gathers the summed loss and how many images were recognised."""

    model: nn.Module
    pictures: _Pictures
    recipe: Recipe
    optimizer: torch.optim.Optimizer
    chunk: int
    tally: Tensor  # (2,) float64
    classes: int

    def learn(self, draw: Tensor) -> None:
        """One optimiser step. A network with a fixed batch sees it in chunks, whose gradients add up to the batch's."""
        images, labels = self.pictures.batch(draw)
        self.optimizer.zero_grad(set_to_none=True)
        for i in range(0, len(labels), self.chunk):
            y = labels[i : i + self.chunk]
            scores = self.scores(images[i : i + self.chunk])
            loss = F.cross_entropy(scores, y, label_smoothing=self.recipe.label_smoothing, reduction="sum")
            (loss / len(labels)).backward()  # type: ignore[no-untyped-call]  # torch gives it no types
            self.tally[0] += loss.detach()
            self.tally[1] += (scores.argmax(1) == y).sum()
        self.optimizer.step()

    def scores(self, images: Tensor) -> Tensor:
        """The network's scores, (B, C) float32."""
        reduced = self.recipe.precision == "bfloat16"
        # A recorded step must not use weights that were rounded outside it, hence no cache.
        with torch.autocast(images.device.type, torch.bfloat16, enabled=reduced, cache_enabled=False):
            output = self.model(images)
        if isinstance(output, Tensor):
            return output.float()
        if (found := scores.find(output, self.classes)) is None:
            raise ValueError(f"the network returns {type(output).__name__}, not a tensor of scores")
        return found.tensor.float()

    def evaluate(self, images: Tensor, static_batch: int | None) -> Tensor:
        """Scores of all `images` in eval mode, on the CPU; a network with a fixed batch gets its last one filled up."""
        size = static_batch or EVALUATION_BATCH
        self.model.eval()
        found = []
        with torch.no_grad():  # not inference_mode: what a network keeps from here must not spoil its training
            for i in range(0, len(images), size):
                part = images[i : i + size].permute(0, 2, 3, 1).to(self.tally.device)
                whole = torch.cat([part, part[-1:].expand(size - len(part), -1, -1, -1)]) if static_batch else part
                found.append(self.scores(self.pictures.scaled(whole))[: len(part)])
        return torch.cat(found).cpu()

    def recorded(self, batch: int) -> Step:
        """`learn` as one CUDA graph; `learn` itself when it cannot be recorded. The network is left as it was."""
        self.model.train()
        before = {name: value.clone() for name, value in self.model.state_dict().items()}
        draw = torch.zeros(3, batch, dtype=torch.int64, device=self.tally.device)
        step = _graph(self.learn, draw)
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                value.copy_(before[name])
            for state in self.optimizer.state.values():
                for value in state.values():
                    value.zero_()
        return step


def _learner(model: nn.Module, pictures: _Pictures, recipe: Recipe, chunk: int) -> _Learner:
    device = pictures.labels.device
    model.to(device=device, memory_format=pictures.order)  # type: ignore[call-overload]  # the stubs lack this pair
    tally = torch.zeros(2, dtype=torch.float64, device=device)
    classes = int(pictures.labels.max()) + 1
    return _Learner(model, pictures, recipe, _optimizer(model, recipe, device), chunk, tally, classes)


def _optimizer(model: nn.Module, recipe: Recipe, device: torch.device) -> torch.optim.Optimizer:
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError("the network has no parameters to train")
    gpu = device.type == "cuda"
    rate = torch.tensor(recipe.learning_rate, device=device) if gpu else recipe.learning_rate
    decay, momentum = recipe.weight_decay, recipe.momentum
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay, fused=True, capturable=gpu)
    nesterov = momentum > 0
    return torch.optim.SGD(parameters, lr=rate, momentum=momentum, weight_decay=decay, nesterov=nesterov, fused=True)


def _graph(learn: Step, example: Tensor) -> Step:
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch gives it no types
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_STEPS):
            learn(example)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            learn(example)
    except RuntimeError:  # the network asks the device for a value in the middle of its forward
        torch.cuda.synchronize()
        return learn

    def replay(draw: Tensor) -> None:
        example.copy_(draw)
        graph.replay()

    return replay


def _epochs(
    learner: _Learner, step: Step, batch: int, seed: int, progress: Progress | None
) -> list[tuple[float, float]]:
    """Train for the recipe's epochs; the mean loss and the accuracy of each."""
    recipe = learner.recipe
    generator = torch.Generator().manual_seed(seed)
    sides = torch.randint(2, (len(learner.pictures.labels),), generator=generator)
    steps = len(sides) // batch
    learner.model.train()
    curve = []
    for epoch in range(recipe.epochs):
        learner.tally.zero_()
        for i, draw in enumerate(_draws(sides, epoch, batch, recipe, generator).to(learner.tally.device)):
            _set_rate(learner.optimizer, _rate(epoch * steps + i, recipe.epochs * steps, recipe))
            step(draw)
        loss, accuracy = (learner.tally / (steps * batch)).tolist()
        if not math.isfinite(loss):
            raise Diverged(f"the loss stopped being a finite number in epoch {epoch + 1} of {recipe.epochs}")
        curve.append((loss, accuracy))
        if progress:
            progress(epoch + 1, recipe.epochs)
    return curve


def _draws(sides: Tensor, epoch: int, batch: int, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """(steps, 3, batch): image, row shift, column shift and side of each step of an epoch; the remainder is left out.

    An image starts on a random side and changes it every epoch, so that both are seen equally often.
    """
    n, shifts = len(sides), 2 * recipe.shift + 1
    steps = n // batch
    which = torch.randperm(n, generator=generator)
    down, across = torch.randint(shifts, (2, n), generator=generator)
    if recipe.flip:
        across = across + shifts * ((sides[which] + epoch) % 2)
    kept = torch.stack([which, down, across])[:, : steps * batch]
    return kept.reshape(3, steps, batch).transpose(0, 1).contiguous()


def _rate(step: int, steps: int, recipe: Recipe) -> float:
    """The learning rate: up in a line over the first `warmup` of the steps, then down in a line to 0."""
    warm = recipe.warmup * steps
    rising = (step + 1) / warm if warm else 1.0
    return recipe.learning_rate * min(rising, 1.0, (steps - step) / (steps - warm))


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)  # a recorded step reads the same memory again
        else:
            group["lr"] = rate


def _batch_size(images: int, wanted: int, static: int | None) -> int:
    """How many images a step takes: the recipe's number, fewer when there are fewer, full batches of `static`."""
    batch = min(wanted, images)
    if static is not None:
        batch -= batch % static
    if batch < 2 or (static is not None and wanted % static):
        raise ValueError(
            f"{images} images in batches of {wanted} cannot be given to a network that takes {static or 'at least 2'} "
            "at once; the batch must be a multiple of that, and there must be a whole batch of images"
        )
    return batch


def _keep_memory() -> None:
    """Have glibc keep what a step frees, instead of giving it back and faulting it in again: a fifth of a LeNet's time.

    It keeps blocks up to the size of the largest one that it has seen freed, which may be 32 MiB.
    """
    torch.empty(31 << 20, dtype=torch.uint8)


def _repeat_on(device: str) -> None:
    """Have a GPU choose kernels that give the same bits again; a processor's do."""
    if device.startswith("cuda"):
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False


def _devices(device: str) -> list[int]:
    """The GPUs whose random state a training must leave as it was."""
    return [torch.cuda.current_device()] if device.startswith("cuda") else []
