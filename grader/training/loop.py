"""A whole training, and the learning of one batch by heart."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from grader.recipe import Recipe
from grader.training.learner import Learner, Step, learner_of
from grader.training.pictures import pictures_of
from grader.training.schedule import batch_size, draws, rate, set_rate

RECENT = 5  # losses of that many steps are averaged: with stochastic depth each is a network of its own
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
    batch = batch_size(len(images), recipe.batch_size, static_batch)
    pictures = pictures_of(images, labels, recipe, device, contiguous)
    was_training = model.training
    with torch.random.fork_rng(_devices(device)):
        torch.manual_seed(seed)
        learner = learner_of(model, pictures, recipe, static_batch or batch)
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
    recipe = Recipe(1, batch_size(len(images), len(images), None), learning_rate, "adamw", weight_decay=0.0, shift=0)
    pictures = pictures_of(images, labels, recipe, device, contiguous)
    draw = torch.zeros(3, len(images), dtype=torch.int64, device=device)
    draw[0] = torch.arange(len(images))  # each image once, neither shifted nor mirrored
    losses: list[float] = []
    with torch.random.fork_rng(_devices(device)):
        torch.manual_seed(seed)
        learner = learner_of(model, pictures, recipe, len(images))
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


def _epochs(
    learner: Learner, step: Step, batch: int, seed: int, progress: Progress | None
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
        for i, draw in enumerate(draws(sides, epoch, batch, recipe, generator).to(learner.tally.device)):
            set_rate(learner.optimizer, rate(epoch * steps + i, recipe.epochs * steps, recipe))
            step(draw)
        loss, accuracy = (learner.tally / (steps * batch)).tolist()
        if not math.isfinite(loss):
            raise Diverged(f"the loss stopped being a finite number in epoch {epoch + 1} of {recipe.epochs}")
        curve.append((loss, accuracy))
        if progress:
            progress(epoch + 1, recipe.epochs)
    return curve


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
