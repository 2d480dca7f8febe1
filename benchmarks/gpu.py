"""The GPU part of benchmarks/training.py: the graded recipes on all images, and what the machine makes of them.

For each network: accuracy over several seeds, of all and of each class, and seconds for a model with the step as a CUDA
graph and eager. Then models in a minute with several processes at once, and the margins that the noise asks for. All of
it goes through the code that grades; `dry` does it on the CPU with tiny recipes, to see that it runs to the end.
"""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from networks import REFERENCE, ROOT, LeNet, Make, efficientnet, seeded

from grader import assignment
from grader.data import DataSet
from grader.model import Verdict
from grader.recipe import Recipe
from grader.statistics import accuracy_per_class
from grader.trainer import Job, PythonNetwork, Trainer
from grader.training import Training, train

FULL_MARGIN = 3.0  # points below the reference that still get full marks; see docs/statistics.md
SIGMAS = 4.0  # of the difference of two trainings, before a correct network may lose points
EAGER_SEEDS = 2
AIMS = {"LeNet": (68.0, 3.0), "EfficientNet, planes of 4 x 4": (90.0, 60.0)}  # per cent, seconds


@dataclass(frozen=True)
class Plan:
    """What is measured, and where."""

    device: str
    seeds: int
    at_once: tuple[int, ...]
    networks: dict[str, tuple[Make, Recipe]]
    queued: dict[str, tuple[str, str, Recipe]]  # file and class of the reference


@dataclass(frozen=True)
class Runs:
    """The trainings of one network, one for each seed."""

    recipe: Recipe
    graphed: list[Training]
    eager: list[Training]


def plan(seeds: int, *, dry: bool) -> Plan:
    """The assignment's recipes for a GPU; `dry`: one epoch on few images, on the CPU."""
    spec = assignment.load(ROOT / "assignments" / "cnn-cifar10")
    _, lenet = spec.recipe("q6_lenet", "cuda", "full")
    _, efficient = spec.recipe("q7_efficientnet", "cuda", "full")
    if dry:
        lenet, efficient = (_tiny(r) for r in (lenet, efficient))
    return Plan(
        device="cpu" if dry else "cuda",
        seeds=seeds,
        at_once=(1, 2) if dry else (1, 2, 4, 8),
        networks={
            "LeNet": (LeNet, lenet),
            "EfficientNet, planes of 1 x 1": (efficientnet(0), efficient),
            "EfficientNet, planes of 2 x 2": (efficientnet(1), efficient),
            "EfficientNet, planes of 4 x 4": (efficientnet(2), efficient),
        },
        queued={
            "LeNet": ("q6_lenet", "LeNet", lenet),
            "EfficientNet": ("q7_efficientnet", "EfficientNet", efficient),
        },
    )


def _tiny(recipe: Recipe) -> Recipe:
    return replace(recipe, epochs=1, batch_size=20, train_per_class=4, test_per_class=2, precision="float32")


def report(data: DataSet, wanted: Plan) -> None:
    """Run everything and print it as Markdown."""
    where = torch.cuda.get_device_name() if wanted.device == "cuda" else "a CPU (dry run: the numbers mean nothing)"
    print(f"\n## Training on {where}, {wanted.seeds} seeds\n")
    make, recipe = wanted.networks["LeNet"]
    _train(data, make, replace(recipe, epochs=1), 0, wanted.device, graph=True)  # sets up what the first job sets up
    runs = {name: _runs(data, *network, wanted) for name, network in wanted.networks.items()}
    _accuracies(data, runs)
    _classes(data, runs)
    _at_once(data, wanted)
    _margins(data, runs)


def _runs(data: DataSet, make: Make, recipe: Recipe, wanted: Plan) -> Runs:
    graphed = [_train(data, make, recipe, seed, wanted.device, graph=True) for seed in range(wanted.seeds)]
    few = range(min(EAGER_SEEDS, wanted.seeds))
    return Runs(recipe, graphed, [_train(data, make, recipe, seed, wanted.device, graph=False) for seed in few])


def _train(data: DataSet, make: Make, recipe: Recipe, seed: int, device: str, *, graph: bool) -> Training:
    part = data.subset(recipe.train_per_class, recipe.test_per_class)
    images = (part.train_images, part.train_labels, part.test_images)
    return train(seeded(make, seed), *images, recipe, seed, device, cuda_graph=graph)


def _means(data: DataSet, runs: Runs, which: list[Training]) -> list[float]:
    """Accuracy over the test images of each training, in per cent."""
    labels = data.subset(runs.recipe.train_per_class, runs.recipe.test_per_class).test_labels
    return [100 * float((t.logits.argmax(1) == labels).float().mean()) for t in which]


def _accuracies(data: DataSet, runs: dict[str, Runs]) -> None:
    print("| network | images x epochs | mean % | sd | lowest | highest | s, CUDA graph | s, eager | ratio | aim |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, r in runs.items():
        found = _means(data, r, r.graphed)
        graphed, eager = (statistics.median(t.seconds for t in which) for which in (r.graphed, r.eager))
        images = len(data.subset(r.recipe.train_per_class, None).train_labels)
        numbers = (statistics.mean(found), _deviation(found), min(found), max(found))
        print(
            f"| {name} | {images:,} x {r.recipe.epochs} | {' | '.join(f'{n:.2f}' for n in numbers)} "
            f"| {graphed:.2f} | {eager:.2f} | {eager / graphed:.1f} | {_aim(name, numbers[0], graphed)} |"
        )


def _aim(name: str, mean: float, seconds: float) -> str:
    if name not in AIMS:
        return ""
    accuracy, limit = AIMS[name]
    met = "met" if mean >= accuracy and seconds <= limit else "not met"
    return f"{accuracy:.0f} % in {limit:.0f} s: {met}"


def _classes(data: DataSet, runs: dict[str, Runs]) -> None:
    print("\nEach class, mean % over the seeds (sd):\n")
    print("| network | " + " | ".join(data.classes) + " |\n|---|" + "---|" * len(data.classes))
    for name, r in runs.items():
        part = data.subset(r.recipe.train_per_class, r.recipe.test_per_class)
        table = [
            [
                100 * (c.accuracy or 0.0)
                for c in accuracy_per_class(t.logits.argmax(1).numpy(), part.test_labels.numpy(), data.classes)
            ]
            for t in r.graphed
        ]
        cells = [f"{statistics.mean(column):.1f} ({_deviation(column):.1f})" for column in zip(*table, strict=True)]
        print(f"| {name} | {' | '.join(cells)} |")


def _at_once(data: DataSet, wanted: Plan) -> None:
    print("\nModels in a minute, as a class is graded: captured, queued, in so many processes on one device:\n")
    print("| network | " + " | ".join(f"{n} at once" for n in wanted.at_once) + " |")
    print("|---|" + "---|" * len(wanted.at_once))
    for name, (file, made, recipe) in wanted.queued.items():
        network = REFERENCE / f"{file}.py", made
        cells = [f"{_per_minute(data, wanted.device, n, network, recipe):.1f}" for n in wanted.at_once]
        print(f"| {name} | {' | '.join(cells)} |")


def _per_minute(data: DataSet, device: str, processes: int, network: tuple[Path, str], recipe: Recipe) -> float:
    """Trainings in a minute with so many processes, their start left out."""
    path, name = network
    with Trainer(data, device, jobs=processes) as trainer:

        def run(first: int, count: int, wanted: Recipe) -> None:
            queued = [trainer.submit(Job(PythonNetwork(path, name, s), wanted, s)) for s in range(first, first + count)]
            for outcome in [q.result() for q in queued]:
                if outcome.verdict is not Verdict.PASSED:
                    raise SystemExit(f"{name} was not trained: {outcome.reason}")

        run(1000, processes, replace(recipe, epochs=1))
        started = time.perf_counter()
        run(0, 2 * processes, recipe)
        return 60 * 2 * processes / (time.perf_counter() - started)


def _margins(data: DataSet, runs: dict[str, Runs]) -> None:
    print("\nFull marks down to so many points below the reference, by the noise that was found:\n")
    print(
        f"| network | sd of a difference | {SIGMAS:.0f} times that | the rule has {FULL_MARGIN:g} |\n|---|---|---|---|"
    )
    for name, r in runs.items():
        difference = math.sqrt(2) * _deviation(_means(data, r, r.graphed))
        verdict = "enough" if SIGMAS * difference <= FULL_MARGIN else "too narrow: more epochs, or a wider margin"
        print(f"| {name} | {difference:.2f} | {SIGMAS * difference:.2f} | {verdict} |")


def _deviation(values: list[float] | tuple[float, ...]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0
