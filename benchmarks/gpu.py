"""The GPU part of benchmarks/training.py: the graded recipes on all images, and what the machine makes of them.

    python benchmarks/training.py DATA --only gpu --results FILE [--seconds N]

A GPU may be lent for minutes only, so everything is one small job after another, the most telling first. Each result is
a line of FILE as soon as it is there. A job that is in FILE already is not done again, and none is begun that would not
end in time: the same command goes on where the last one stopped, on another machine too when FILE is taken along. The
tables (gpu_tables.py) are made of whatever is there.

For each network: accuracy over several seeds, seconds with the step as a CUDA graph and eager, whether the same seed
gives the same bits; recipes beside the assignment's own; and models in a minute with several processes at once. All
of it goes through the code that grades. `dry` does it on the CPU with tiny recipes, to see that it runs to the end.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from networks import REFERENCE, ROOT, LeNet, Make, efficientnet, seeded

from grader import assignment
from grader.data import DataSet
from grader.model import Verdict
from grader.recipe import Recipe
from grader.trainer import Job, PythonNetwork, Trainer
from grader.training import Training, train

LENET, STOCK = "LeNet", "EfficientNet, planes of 1 x 1"
MIDDLE, SUITED = "EfficientNet, planes of 2 x 2", "EfficientNet, planes of 4 x 4"
NETWORKS: dict[str, Make] = {LENET: LeNet, STOCK: efficientnet(0), MIDDLE: efficientnet(1), SUITED: efficientnet(2)}
QUEUED = {LENET: ("q6_lenet", "LeNet"), STOCK: ("q7_efficientnet", "EfficientNet")}  # file and class of the reference
UNKNOWN_SECONDS = {LENET: 15.0}  # what a job is allowed for before one like it was measured
SLOWEST = 120.0


@dataclass(frozen=True)
class Plan:
    """Where it is measured, by what recipes, with how many seeds, and in how many seconds."""

    device: str
    seeds: int
    lenet: Recipe
    efficientnet: Recipe
    at_once: tuple[int, ...]
    seconds: float

    def recipe(self, network: str) -> Recipe:
        """The assignment's own recipe for a network."""
        return self.lenet if network == LENET else self.efficientnet


@dataclass(frozen=True)
class Unit:
    """One job. `kind`: graph and eager (a training), again (its seed once more), queue (`count` processes at once)."""

    kind: str
    network: str
    seed: int = 0
    count: int = 1
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Its name in the file of results."""
        return json.dumps(asdict(self), sort_keys=True)


def plan(seeds: int, seconds: float, *, dry: bool) -> Plan:
    """The assignment's recipes for a GPU; `dry`: one epoch on few images, on the CPU."""
    spec = assignment.load(ROOT / "assignments" / "cnn-cifar10")
    lenet, efficient = (spec.recipe(q, "cuda", "full")[1] for q in ("q6_lenet", "q7_efficientnet"))
    if dry:
        tiny: dict[str, Any] = {
            "epochs": 1,
            "batch_size": 20,
            "train_per_class": 4,
            "test_per_class": 2,
            "precision": "float32",
        }
        lenet, efficient = (replace(r, **tiny) for r in (lenet, efficient))
    return Plan("cpu" if dry else "cuda", seeds, lenet, efficient, (1, 2) if dry else (1, 4, 2, 8), seconds)


def units(wanted: Plan) -> list[Unit]:
    """All jobs, the most telling first."""
    main = (LENET, SUITED)
    seeds = range(1, wanted.seeds)
    return [
        *(Unit("graph", n) for n in main),
        *(Unit("again", n) for n in main),
        *(Unit("eager", LENET, s) for s in range(min(2, wanted.seeds))),
        *(Unit("graph", LENET, s) for s in seeds),
        *(Unit("queue", LENET, count=n) for n in wanted.at_once),
        *(Unit("graph", STOCK, s) for s in (0, *seeds)),
        *(Unit("eager", n) for n in (STOCK, SUITED)),
        *(Unit("graph", SUITED, s) for s in seeds),
        *(Unit("graph", LENET, changes=c) for c in _changes(wanted.lenet, (256, 512, 1024), (0.5, 1.0, 2.0))),
        *(Unit("queue", STOCK, count=n) for n in wanted.at_once),
        *(Unit("graph", SUITED, changes=c) for c in _changes(wanted.efficientnet, (512,), (0.5, 2.0))),
        *(Unit("graph", MIDDLE, s) for s in (0, *seeds)),
    ]


def _changes(recipe: Recipe, batches: tuple[int, ...], factors: tuple[float, ...]) -> Iterator[dict[str, Any]]:
    """Recipes beside the assignment's: other batches and learning rates."""
    for batch in batches:
        for factor in factors:
            if (batch, factor) != (recipe.batch_size, 1.0):
                yield {"batch_size": batch, "learning_rate": factor * recipe.learning_rate}


def run(data: DataSet, wanted: Plan, results: Path) -> None:
    """Do what is not in `results` yet, as far as the time goes; each result is written as soon as it is there."""
    ends = time.perf_counter() + wanted.seconds
    known = {r["unit"] for r in records(results)}
    if todo := [u for u in units(wanted) if u.key not in known]:
        train_on(data, wanted, Unit("graph", LENET, changes={"epochs": 1}))  # sets up what the first job sets up
    for unit in todo:
        left, needed = ends - time.perf_counter(), _seconds(unit, results)
        if needed > left:
            print(
                f"not begun: {unit.kind} of {unit.network} takes about {needed:.0f} s, {left:.0f} s are left",
                flush=True,
            )
            continue
        started = time.perf_counter()
        found = {"unit": unit.key, **asdict(unit), **_measured(data, wanted, unit), "where": where(wanted.device)}
        found["took"] = time.perf_counter() - started
        with results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")
        print(json.dumps({k: v for k, v in found.items() if k not in ("unit", "curve", "where")}), flush=True)


def records(results: Path) -> list[dict[str, Any]]:
    """The results so far; a line that was cut off in the middle is left out."""
    found = []
    for line in results.read_text(encoding="utf-8").splitlines() if results.exists() else ():
        with contextlib.suppress(json.JSONDecodeError):
            found.append(json.loads(line))
    return found


def where(device: str) -> str:
    """What it was measured on."""
    name = torch.cuda.get_device_name() if device == "cuda" else "a CPU (dry run: the numbers mean nothing)"
    return f"{name}, torch {torch.__version__}"


def _seconds(unit: Unit, results: Path) -> float:
    """How long a unit will take: a third more than the longest like it, or a guess."""
    alike = {"kind": unit.kind, "network": unit.network}
    took = [r["took"] for r in records(results) if alike.items() <= r.items() and "failed" not in r]
    if took:
        return 1.3 * float(max(took))
    single = [r["took"] for r in records(results) if r["network"] == unit.network and "failed" not in r]
    usual = 1.3 * max(single) if single else UNKNOWN_SECONDS.get(unit.network, SLOWEST)
    return float(usual * {"queue": 2.0 * unit.count, "eager": 3.0}.get(unit.kind, 1.0))


def _measured(data: DataSet, wanted: Plan, unit: Unit) -> dict[str, Any]:
    """One unit's result; what goes wrong in it is its result, and the next one is begun."""
    try:
        return _queued(data, wanted, unit) if unit.kind == "queue" else _trained(data, wanted, unit)
    except Exception as e:  # noqa: BLE001  # the machine's time is short: the others are still worth having
        return {"failed": f"{type(e).__name__}: {e}".split("\n")[0]}


def _trained(data: DataSet, wanted: Plan, unit: Unit) -> dict[str, Any]:
    result, part = train_on(data, wanted, unit)
    right = result.logits.argmax(1) == part.test_labels
    classes = [float(right[part.test_labels == c].double().mean()) for c in range(len(part.classes))]
    return {
        "mean": sum(classes) / len(classes),
        "classes": classes,
        "names": list(part.classes),
        "images": len(part.train_labels),
        "epochs": len(result.curve),
        "seconds": result.seconds,
        "curve": result.curve,
        "bits": hashlib.sha256(result.logits.numpy().tobytes()).hexdigest(),
        "memory_mib": torch.cuda.max_memory_allocated() >> 20 if wanted.device == "cuda" else 0,
    }


def train_on(data: DataSet, wanted: Plan, unit: Unit) -> tuple[Training, DataSet]:
    """One training in this process, and its images."""
    recipe = replace(wanted.recipe(unit.network), **unit.changes)
    part = _part(data, recipe.train_per_class, recipe.test_per_class)
    images = (part.train_images, part.train_labels, part.test_images)
    model = seeded(NETWORKS[unit.network], unit.seed)
    return train(model, *images, recipe, unit.seed, wanted.device, cuda_graph=unit.kind != "eager"), part


@cache
def _part(data: DataSet, train_per_class: int | None, test_per_class: int | None) -> DataSet:
    return data.subset(train_per_class, test_per_class)


def _queued(data: DataSet, wanted: Plan, unit: Unit) -> dict[str, Any]:
    """Trainings in a minute with so many processes, as a class is graded: captured and queued; their start left out."""
    file, name = QUEUED[unit.network]
    recipe = wanted.recipe(unit.network)
    with Trainer(data, wanted.device, jobs=unit.count) as trainer:

        def run_all(first: int, wanted_recipe: Recipe) -> None:
            seeds = range(first, first + unit.count)
            network = REFERENCE / f"{file}.py"
            for queued in [trainer.submit(Job(PythonNetwork(network, name, s), wanted_recipe, s)) for s in seeds]:
                if (outcome := queued.result()).verdict is not Verdict.PASSED:
                    raise RuntimeError(f"{name} was not trained: {outcome.reason}")

        run_all(1000, replace(recipe, epochs=1))
        started = time.perf_counter()
        run_all(0, recipe)
        return {"per_minute": 60 * unit.count / (time.perf_counter() - started)}
