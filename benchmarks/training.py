"""Training side by side: the tutorial's loop (PIL, transforms, DataLoader) and ours, on the same images and network.

    python benchmarks/training.py DATA [--rounds N] [--only throughput accuracy recipe gpu] [--seeds N] [--dry-run]

DATA is a data set file, or anything that grader.data.prepare reads. CPU seconds are user and system time of this
process and its loader workers; ratios are taken within a round, because a shared machine changes from round to round.
Everybody has one thread, which favours the tutorial's loop: with torch's default, as anybody runs it, its threads spin
against its workers. That is measured beside it, in a process of its own.
Ours trains what grading trains, the network rebuilt from its graph. The clock begins when the network is there.

What bounds our loop is the network. Of 7.7 CPU ms for a LeNet's step with 64 images, about 6 are its kernels (4.6 in
convolutions that oneDNN runs as compiled AVX-512 already, 0.5 in poolings), 0.3 to 0.5 make the augmented batch, and
the rest is Python, autograd and calls, out of the processor's cache each time. (Tried: contiguous images, padding to 4,
8 or 16 channels, windows gathered for one matrix product; all were slower. What else was tried is in
docs/statistics.md.)

--only gpu does all that a GPU is to be asked in one command, in as many seconds as there are and again from there; see
gpu.py. With --dry-run it runs to the end without a GPU.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

# Before torch is imported; see above.
os.environ.update({"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"} if "--as-written" not in sys.argv else {})
os.environ.update(CUBLAS_WORKSPACE_CONFIG=":4096:8")

import gpu
import gpu_tables
import numpy as np
import torch
import torch.nn.functional as F
from networks import LeNet, seeded
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from grader import data as datasets
from grader.data import SHAPE, DataSet
from grader.graph.capture import capture
from grader.graph.rebuild import rebuild
from grader.recipe import Recipe
from grader.statistics import accuracy_per_class
from grader.training import Training, train
from grader.training.learner import learner_of
from grader.training.pictures import pictures_of

WRITTEN = "tutorial as written, batch 4, torch's own threads"
TUTORIAL_IMAGES = 2 * 50_000  # two epochs of CIFAR-10
LENET = Recipe(15, 64, 0.03, train_per_class=1000)
ONE_EPOCH = replace(LENET, epochs=1, train_per_class=None)
SHORT = replace(ONE_EPOCH, learning_rate=0.05, shift=0)  # there is too little time to learn what shifts would add


class Pictures(Dataset[tuple[Tensor, int]]):
    """Images as torchvision's CIFAR10 gives them: an array, made a PIL image, then transformed, one at a time."""

    def __init__(self, data: DataSet, count: int) -> None:
        self.images: np.ndarray = data.train_images[:count].permute(0, 2, 3, 1).contiguous().numpy()
        self.labels = data.train_labels[:count].tolist()
        half = (0.5, 0.5, 0.5)
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(half, half)])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[i])), self.labels[i]


def tutorial(model: nn.Module, data: DataSet, count: int, batch: int) -> None:
    """One pass of the tutorial's loop over `count` images."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    running = 0.0
    for images, labels in DataLoader(Pictures(data, count), batch, shuffle=True, num_workers=2):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no types
        optimizer.step()
        running += loss.item()


def ours(model: nn.Module, data: DataSet, count: int, batch: int) -> None:
    """One epoch of our loop over `count` images, augmented."""
    recipe = replace(ONE_EPOCH, batch_size=batch)
    train(model, data.train_images[:count], data.train_labels[:count], data.test_images[:10], recipe, 0)


def rebuilt(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """A network as it is trained when it is graded."""
    found = capture(seeded(make, seed), SHAPE)
    return rebuild(found.ir, found.tensors)


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this process and the children it waited for."""
    before = os.times()
    work()
    after = os.times()
    return sum(after[:4]) - sum(before[:4])


LOOPS: dict[str, tuple[Callable[[nn.Module, DataSet, int, int], None], int, int]] = {
    WRITTEN: (tutorial, 4, 3_000),
    "tutorial, batch 4": (tutorial, 4, 3_000),
    "tutorial, batch 128": (tutorial, 128, 10_000),
    "ours, batch 64": (ours, 64, 20_000),
    "ours, batch 128": (ours, 128, 20_000),
    "ours, batch 256": (ours, 256, 20_000),
}


def speed(name: str, data: DataSet) -> float:
    """Images per CPU second of a loop."""
    loop, batch, count = LOOPS[name]
    count = min(count, len(data.train_images))
    model = seeded(LeNet) if loop is tutorial else rebuilt(LeNet)
    return count / cpu_seconds(lambda: loop(model, data, count, batch))


def speed_as_written(source: str) -> float:
    """Images per CPU second of the tutorial's loop in a process that nobody set up for it."""
    usual = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    command = [sys.executable, __file__, source, "--as-written"]
    return float(subprocess.run(command, env=usual, check=True, capture_output=True, text=True).stdout)


def throughput(source: str, data: DataSet, rounds: int) -> None:
    """Images per CPU second of each loop, round by round, the loops in rotation."""
    ours(rebuilt(LeNet), data, 2_000, 64)  # the first convolution of a process sets up its kernels
    found: dict[str, list[float]] = {name: [] for name in LOOPS}
    names = list(LOOPS)
    for r in range(rounds):
        for name in names[r % len(names) :] + names[: r % len(names)]:
            found[name].append(speed_as_written(source) if name == WRITTEN else speed(name, data))
    print("\n## LeNet, images per CPU second\n")
    print(
        "| loop | rounds | median | ours (64) to it | ours (128) to it | ours (256) to it |\n|---|---|---|---|---|---|"
    )
    for name, speeds in found.items():
        ratios = [
            statistics.median(a / b for a, b in zip(found[f"ours, batch {batch}"], speeds, strict=True))
            for batch in (64, 128, 256)
        ]
        each = ", ".join(f"{s:,.0f}" for s in speeds)
        told = " | ".join(f"{r:.1f}" for r in ratios)
        print(f"| {name} | {each} | {statistics.median(speeds):,.0f} | {told} |")


def accuracy(data: DataSet, seeds: int = 3) -> None:
    """What one epoch of ours reaches, beside the time that the tutorial's two epochs take at their speed.

    Training alone, for both; the test images are scored outside the clock.
    """
    print("\n## Time to the tutorial's accuracy\n")
    print("| seed | ours: mean % | CPU s | the tutorial's two epochs at its speed: CPU s | times as long |")
    print("|---|---|---|---|---|")
    ratios, reached = [], []
    for seed in range(seeds):
        tutorials = TUTORIAL_IMAGES / speed("tutorial, batch 4", data)
        model = rebuilt(LeNet, seed)
        result = train(model, data.train_images, data.train_labels, data.test_images[:10], SHORT, seed)
        reached.append(scored(model, data))
        ratios.append(tutorials / result.cpu_seconds)
        print(f"| {seed} | {reached[-1]:.2f} | {result.cpu_seconds:.1f} | {tutorials:.0f} | {ratios[-1]:.1f} |")
    print(f"\nmean {statistics.fmean(reached):.2f} %; {statistics.median(ratios):.1f} times (median)")


def scored(model: nn.Module, data: DataSet) -> float:
    """Accuracy of a trained network over the test images, in per cent."""
    learner = learner_of(model, pictures_of(data.train_images, data.train_labels, SHORT, "cpu", False), SHORT, 64)
    return 100 * float((learner.evaluate(data.test_images, None).argmax(1) == data.test_labels).float().mean())


def recipe(data: DataSet) -> None:
    """The graded CPU recipe, per class."""
    result = run(data, LENET, LeNet)
    predictions = result.logits.argmax(1).numpy()
    print("\n## LeNet, 10,000 images x 15 epochs\n")
    print(f"{result.cpu_seconds:.1f} CPU s, {result.seconds:.1f} s, mean {mean(data, result):.2f} %\n")
    for c in accuracy_per_class(predictions, data.test_labels.numpy(), data.classes):
        print(f"{c.name:12} {c.correct:4} of {c.total}")


def run(data: DataSet, wanted: Recipe, make: Callable[[], nn.Module]) -> Training:
    part = data.subset(wanted.train_per_class, wanted.test_per_class)
    return train(rebuilt(make), part.train_images, part.train_labels, part.test_images, wanted, 0)


def mean(data: DataSet, result: Training) -> float:
    """Accuracy over the test images, in per cent."""
    return 100 * float((result.logits.argmax(1) == data.test_labels).float().mean())


def opened(source: str) -> DataSet:
    if source.endswith(".safetensors"):
        return datasets.load(Path(source))
    with tempfile.TemporaryDirectory() as folder:
        return datasets.prepare(source, Path(folder) / "data.safetensors", None, None, salt="")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data")
    parser.add_argument("--rounds", type=int, default=3)
    sections = ("throughput", "accuracy", "recipe", "gpu")
    parser.add_argument("--only", nargs="+", choices=sections, default=sections)
    parser.add_argument("--seeds", type=int, default=5, help="trainings of each network on the GPU")
    parser.add_argument("--dry-run", action="store_true", help="the GPU section on the CPU with tiny recipes")
    parser.add_argument(
        "--results", type=Path, default=Path("gpu.jsonl"), help="the GPU section's results; it goes on there"
    )
    parser.add_argument("--seconds", type=float, default=3600, help="the GPU section begins nothing that lasts longer")
    parser.add_argument("--tables", action="store_true", help="only print the tables of --results")
    parser.add_argument("--as-written", action="store_true", help="only the tutorial's loop, on torch's own threads")
    options = parser.parse_args()
    if options.as_written:
        print(speed(WRITTEN, opened(options.data)))
        return
    if options.tables:
        gpu_tables.report(gpu.records(options.results))
        return
    torch.set_num_threads(1)
    started = time.perf_counter()
    data = opened(options.data)
    print(f"{data.name}, {len(data.train_images):,} and {len(data.test_images):,} images; torch {torch.__version__}")
    if "throughput" in options.only:
        throughput(options.data, data, options.rounds)
    if "accuracy" in options.only:
        accuracy(data)
    if "recipe" in options.only:
        recipe(data)
    if "gpu" in options.only and (options.dry_run or torch.cuda.is_available()):
        seconds = options.seconds - (time.perf_counter() - started)
        gpu.run(data, gpu.plan(options.seeds, seconds, dry=options.dry_run), options.results)
        gpu_tables.report(gpu.records(options.results))
    elif "gpu" in options.only:
        print("\nNo CUDA device: the GPU section was not run.")
    print(
        f"\n{time.perf_counter() - started:.0f} s in all; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
    )


if __name__ == "__main__":
    main()
