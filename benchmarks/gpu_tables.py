"""The tables of benchmarks/gpu.py, made of as many results as there are."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import fmean, median, stdev
from typing import Any

Record = dict[str, Any]

FULL_MARGIN = 3.0  # points below the reference that still get full marks; see docs/statistics.md
SIGMAS = 4.0  # of the difference of two trainings, before a correct network may lose points
AIMS = {"LeNet": (68.0, 3.0), "EfficientNet, planes of 4 x 4": (90.0, 60.0)}  # per cent, seconds
FEW = 3  # trainings below which a deviation says nothing


def report(records: list[Record]) -> None:
    """Print everything as Markdown."""
    print(f"\n## Training on {'; '.join(sorted({r['where'] for r in records})) or 'nothing yet'}\n")
    good = [r for r in records if "failed" not in r]
    _accuracies(good)
    _classes(good)
    _recipes(good)
    _at_once(good)
    _margins(good)
    for r in records:
        if "failed" in r:
            print(
                f"\nnot measured: {r['kind']} of {r['network']}, seed {r['seed']}, {r['count']} at once: {r['failed']}"
            )


def _of(records: list[Record], kind: str, network: str) -> list[Record]:
    """Trainings by the assignment's own recipe."""
    return [r for r in records if (r["kind"], r["network"]) == (kind, network) and not r["changes"]]


def _networks(records: list[Record], kind: str = "graph") -> list[str]:
    return list(dict.fromkeys(r["network"] for r in records if r["kind"] == kind))


def _accuracies(records: list[Record]) -> None:
    print(
        "| network | images x epochs | seeds | mean % | sd | lowest to highest | s, CUDA graph | s, eager | ratio ",
        end="",
    )
    print("| MiB | same bits again | aim |\n|---|---|---|---|---|---|---|---|---|---|---|---|")
    for network in _networks(records):
        if not (graphed := _of(records, "graph", network)):
            continue
        means = [100 * r["mean"] for r in graphed]
        seconds, eager = _median(graphed), _median(_of(records, "eager", network))
        cells = [
            network,
            f"{graphed[0]['images']:,} x {graphed[0]['epochs']}",
            str(len(means)),
            f"{fmean(means):.2f}",
            _number(_deviation(means), 2),
            f"{min(means):.2f} to {max(means):.2f}",
            _number(seconds, 2),
            _number(eager, 2),
            _number(eager / seconds if eager and seconds else None, 1),
            str(max(r["memory_mib"] for r in graphed)),
            _same_bits(graphed, _of(records, "again", network)),
            _aim(network, fmean(means), seconds),
        ]
        print(f"| {' | '.join(cells)} |")


def _same_bits(graphed: list[Record], again: list[Record]) -> str:
    first = {r["seed"]: r["bits"] for r in graphed}
    pairs = [(first[r["seed"]], r["bits"]) for r in again if r["seed"] in first]
    return ("yes" if all(a == b for a, b in pairs) else "no") if pairs else "-"


def _aim(network: str, mean: float, seconds: float | None) -> str:
    if network not in AIMS or seconds is None:
        return ""
    accuracy, limit = AIMS[network]
    return f"{accuracy:.0f} % in {limit:.0f} s: {'met' if mean >= accuracy and seconds <= limit else 'not met'}"


def _classes(records: list[Record]) -> None:
    graphed = [r for r in records if r["kind"] == "graph" and not r["changes"]]
    if not graphed:
        return
    names = graphed[0]["names"]
    print("\nEach class, mean % over the seeds (sd):\n")
    print("| network | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    for network in _networks(graphed):
        columns = zip(*([100 * c for c in r["classes"]] for r in _of(graphed, "graph", network)), strict=True)
        cells = [f"{fmean(column):.1f} ({_number(_deviation(column), 1)})" for column in columns]
        print(f"| {network} | {' | '.join(cells)} |")


def _recipes(records: list[Record]) -> None:
    if not (changed := [r for r in records if r["changes"]]):
        return
    print("\nOther recipes, one seed each:\n\n| network | what is changed | mean % | s |\n|---|---|---|---|")
    for r in sorted(changed, key=lambda r: (r["network"], -r["mean"])):
        what = ", ".join(f"{name} {value:g}" for name, value in r["changes"].items())
        print(f"| {r['network']} | {what} | {100 * r['mean']:.2f} | {r['seconds']:.2f} |")


def _at_once(records: list[Record]) -> None:
    if not (queued := [r for r in records if r["kind"] == "queue"]):
        return
    counts = sorted({r["count"] for r in queued})
    print("\nModels in a minute, as a class is graded: captured, queued, in so many processes on one device:\n")
    print("| network | " + " | ".join(f"{n} at once" for n in counts) + " |\n|---|" + "---|" * len(counts))
    for network in _networks(records, "queue"):
        found = {r["count"]: r["per_minute"] for r in _of(records, "queue", network)}
        print(f"| {network} | {' | '.join(_number(found.get(n), 1) for n in counts)} |")


def _margins(records: list[Record]) -> None:
    print("\nFull marks down to so many points below the reference, by the noise that was found:\n")
    print(f"| network | sd of a difference | {SIGMAS:.0f} times that | the rule has {FULL_MARGIN:g} |")
    print("|---|---|---|---|")
    for network in _networks(records):
        means = [100 * r["mean"] for r in _of(records, "graph", network)]
        if len(means) < FEW:
            continue
        difference = math.sqrt(2) * stdev(means)
        verdict = "enough" if SIGMAS * difference <= FULL_MARGIN else "too narrow: more epochs, or a wider margin"
        print(f"| {network} | {difference:.2f} | {SIGMAS * difference:.2f} | {verdict} |")


def _median(records: list[Record]) -> float | None:
    return median(r["seconds"] for r in records) if records else None


def _deviation(values: Iterable[float]) -> float | None:
    found = list(values)
    return stdev(found) if len(found) >= FEW else None


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
