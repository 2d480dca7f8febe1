"""Is the scoring rule fair? Real LeNets that differ in nothing but chance, and a simulation of the whole rule.

    python benchmarks/scoring.py DATA [--networks 20] [--seeds 8] [--jobs 2] [--cache FOLDER]

DATA is a data set file, or anything that grader.data.prepare reads. The reference's LeNet is trained by the recipe
cpu-full of assignments/cnn-cifar10 in two ways: many times with other initial weights and another training seed each,
as a class of correct submissions that have nothing in common would be; and from the reference's own weights with
several training seeds, which tells how much of that is due to the weights. Each of the first is then scored against the
reference as a submission would be, boundary seeds included. With --cache, what was trained is kept.

The simulation draws correct and worse networks with the noise that was found, and with more, and counts who loses
points. Its tails are those of a normal and of a t distribution with 4 degrees of freedom, scaled to the same deviation.
More seeds draw other weights too, except of a network that is bound to its name ready-made: that is counted apart.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import math
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from grader import assignment
from grader import data as datasets
from grader.data import DataSet
from grader.statistics import near_boundary, score, settled_score
from grader.trainer import Job, Outcome, PythonNetwork, Trainer

ROOT = Path(__file__).resolve().parent.parent
LENET = ROOT / "reference" / "cnn-cifar10" / "q6_lenet.py"
SEEDS = 3  # trainings that are compared near a boundary
TRIALS = 1_000_000
DEGREES = 4
GAPS = (0.0, 0.01, 0.02, 0.025, 0.03, 0.035, 0.04, 0.06, 0.09, 0.15)
Noise = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]


def normal(generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Deviation 1, thin tails."""
    return generator.normal(size=shape)


def heavy(generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Deviation 1, and 4 deviations or more once in 200 draws."""
    drawn: NDArray[np.float64] = generator.standard_t(DEGREES, shape)
    return drawn / math.sqrt(DEGREES / (DEGREES - 2))


# --- real networks --------------------------------------------------------------------------------------------------


class Runs:
    """LeNets trained by the recipe of grading, and how well each class of test images is recognised."""

    def __init__(self, data: DataSet, trainer: Trainer) -> None:
        self.spec = assignment.load(ROOT / "assignments" / "cnn-cifar10")
        self.recipe_name, self.recipe = self.spec.recipe("q6_lenet", "cpu", "full")
        self.labels = data.subset(self.recipe.train_per_class, self.recipe.test_per_class).test_labels.numpy()
        self.cpu_seconds: list[float] = []
        self._trainer = trainer

    def train(self, pairs: list[tuple[int, int]]) -> NDArray[np.float64]:
        """Accuracies (networks, classes), one network for each pair of a seed of weights and one of training."""
        futures = [self._trainer.submit(self._job(*pair)) for pair in pairs]
        return np.stack([self._accuracies(f.result()) for f in futures])

    def _job(self, weights: int, training: int) -> Job:
        return Job(PythonNetwork(LENET, "LeNet", weights), self.recipe, training)

    def _accuracies(self, outcome: Outcome) -> NDArray[np.float64]:
        if outcome.training is None:
            raise SystemExit(f"a LeNet could not be trained: {outcome.reason}")
        self.cpu_seconds.append(outcome.training.cpu_seconds)
        right = outcome.training.logits.argmax(1).numpy() == self.labels
        return np.array([right[self.labels == c].mean() for c in range(len(self.spec.classes))])


def report_spread(title: str, accuracies: NDArray[np.float64], classes: tuple[str, ...]) -> float:
    """Print mean, deviation and range of all and of each class, in points; the deviation of the mean accuracy."""
    print(f"\n## {title}: {len(accuracies)} trainings\n")
    print("| class | mean % | sd | lowest | highest |\n|---|---|---|---|---|")
    means = accuracies.mean(1)
    for name, values in [("**all**", means), *zip(classes, accuracies.T, strict=True)]:
        v = 100 * values
        print(f"| {name} | {v.mean():.2f} | {v.std(ddof=1):.2f} | {v.min():.2f} | {v.max():.2f} |")
    deviations = 100 * accuracies.std(0, ddof=1)
    print(f"\nsd of a class: mean {deviations.mean():.2f}, greatest {deviations.max():.2f} points")
    return float(means.std(ddof=1))


def report_scores(own: NDArray[np.float64], reference: NDArray[np.float64], more: Callable[[int], list[float]]) -> None:
    """Score each network against the reference by the whole rule; `more` trains one near a boundary again."""
    print("\n## What each would get\n\n| network | accuracy % | points below the reference | more seeds | score |")
    print("|---|---|---|---|---|")
    for i, accuracy in enumerate(own):
        near = near_boundary(accuracy, reference[0])
        accuracies = [accuracy, *(more(i) if near else [])]
        found = settled_score(accuracies, list(reference[: len(accuracies)]))
        short = 100 * (fmean(reference[: len(accuracies)]) - fmean(accuracies))
        print(f"| {i + 1} | {100 * fmean(accuracies):.2f} | {short:+.2f} | {'yes' if near else 'no'} | {found:.3f} |")


# --- simulation -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spread:
    """Deviations of the mean accuracy: through the initial weights, and through the training seed."""

    title: str
    weights: float
    training: float

    @property
    def whole(self) -> float:
        """The two together."""
        return math.hypot(self.weights, self.training)

    def times(self, factor: float, title: str) -> Spread:
        """The same mixture, so much larger."""
        return Spread(title, factor * self.weights, factor * self.training)


@dataclass(frozen=True)
class Counted:
    """Shares of the simulated networks, and their mean score by the whole rule.

    `lost`: below full points. `first_lost`: the same by the first seed alone. `again`: trained with more seeds.
    """

    lost: float
    first_lost: float
    again: float
    mean: float


def simulate(gap: float, spread: Spread, noise: Noise, trials: int, *, fixed: bool = False) -> Counted:
    """Score networks that are truly `gap` below the reference; `fixed`: their weights are the same for every seed."""
    generator = np.random.default_rng(0)

    def accuracies(mean: float, columns: int) -> list[list[float]]:
        weights = spread.weights * noise(generator, (trials, columns))
        drawn: list[list[float]] = (mean + weights + spread.training * noise(generator, (trials, SEEDS))).tolist()
        return drawn

    lost = first_lost = again = 0
    total = 0.0
    for own, reference in zip(accuracies(0.6 - gap, 1 if fixed else SEEDS), accuracies(0.6, SEEDS), strict=True):
        found = settled_score(own, reference)
        again += near_boundary(own[0], reference[0])
        lost += found < 1
        first_lost += score(own[0], reference[0]) < 1
        total += found
    return Counted(lost / trials, first_lost / trials, again / trials, total / trials)


def report_simulation(spread: Spread, networks: int, trials: int) -> None:
    """Print who loses points, by the noise and by how much worse a network truly is."""
    print(f"\n## Correct networks that lose points: {trials:,} simulated for each number\n")
    print(
        "| noise | sd in points | tails | first seed alone | whole rule | whole rule, weights fixed | trained again |"
    )
    print("|---|---|---|---|---|---|---|")
    bound = math.sqrt((networks - 1) / chi2.ppf(0.025, networks - 1))
    for row in (spread, spread.times(bound, "upper end of its 95 % interval"), spread.times(2, "twice that")):
        for noise in (normal, heavy):
            free = simulate(0.0, row, noise, trials)
            fixed = simulate(0.0, row, noise, trials, fixed=True)
            rates = " | ".join(_rate(r, trials) for r in (free.first_lost, free.lost, fixed.lost))
            print(f"| {row.title} | {100 * row.whole:.2f} | {noise.__name__} | {rates} | {free.again:.1%} |")
    print("\n## Networks that are truly worse, with the measured noise and normal tails\n")
    print("| below, points | score without noise | mean score | below full points | trained again |")
    print("|---|---|---|---|---|")
    for gap in GAPS:
        found = simulate(gap, spread, normal, trials // 10)
        true = score(0.6 - gap, 0.6)
        print(f"| {100 * gap:.1f} | {true:.3f} | {found.mean:.3f} | {found.lost:.2%} | {found.again:.1%} |")


def _rate(share: float, trials: int) -> str:
    """A share; where none was seen, the bound below which it lies with 95 % confidence."""
    return f"{share:.1e}" if share else f"none (below {3 / trials:.0e})"


# --- the run --------------------------------------------------------------------------------------------------------


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    names: Iterator[str] = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="a data set file, or what grader.data.prepare reads")
    parser.add_argument("--networks", type=int, default=20, help="LeNets with weights and training seeds of their own")
    parser.add_argument("--seeds", type=int, default=8, help="training seeds of the reference's own weights")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at once")
    parser.add_argument("--trials", type=int, default=TRIALS, help="simulated networks for each row")
    parser.add_argument("--cache", type=Path, help="keep what was trained in this folder")
    options = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        data = _data(options.data, Path(folder))
        with Trainer(data, jobs=options.jobs, cache=options.cache) as trainer:
            _report(Runs(data, trainer), options)
    print(f"\nwall {time.perf_counter() - started:.0f} s with {options.jobs} trainings at once")


def _data(source: str, folder: Path) -> DataSet:
    if Path(source).suffix == ".safetensors":
        return datasets.load(Path(source))
    return datasets.prepare(source, folder / "data.safetensors", None, None, salt="")


def _report(runs: Runs, options: argparse.Namespace) -> None:
    print(
        f"{_processor()}, one thread; Python {platform.python_version()}, torch {importlib.metadata.version('torch')}"
    )
    print(f"recipe {runs.recipe_name} of q6_lenet: {runs.recipe}")
    weights, training = runs.spec.seeds.weights, runs.spec.seeds.training
    reference = runs.train([(weights + i, training + i) for i in range(SEEDS)])
    alone = runs.train([(weights, training + i) for i in range(options.seeds)])
    first = SEEDS  # no network shares its seeds with the reference's
    own = runs.train([(weights + i, training + i) for i in range(first, first + options.networks)])
    classes = runs.spec.classes
    whole = report_spread("Other weights and another training seed each", own, classes)
    seed = report_spread("The reference's weights, other training seeds", alone, classes)

    def more(i: int) -> list[float]:
        pairs = [(weights + 1000 * k + first + i, training + 1000 * k + first + i) for k in range(1, SEEDS)]
        return [float(a) for a in runs.train(pairs).mean(1)]

    print("\nthe reference's own seeds: " + ", ".join(f"{100 * a:.2f} %" for a in reference.mean(1)))
    report_scores(own.mean(1), reference.mean(1), more)
    print(f"\nCPU seconds of a training: mean {fmean(runs.cpu_seconds):.1f}, sd {stdev(runs.cpu_seconds):.1f}")
    spread = Spread("as measured", math.sqrt(max(0.0, whole**2 - seed**2)), min(whole, seed))
    print(
        f"deviation through the weights {100 * spread.weights:.2f}, through the seed {100 * spread.training:.2f} points"
    )
    report_simulation(spread, options.networks, options.trials)


if __name__ == "__main__":
    main()
