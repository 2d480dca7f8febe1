"""The networks of a class as dots of a chart: each distinct one once, beside the baselines that everybody shares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grader.charts import Dot
from grader.model import Baseline, ModelResult, Scorecard, SeedNoise


@dataclass(frozen=True)
class Networks:
    """The distinct networks of one question, the class's and the baselines', by parameters and by FLOPs."""

    question: str
    title: str
    students: tuple[Dot, ...]
    baselines: tuple[Dot, ...]
    students_flops: tuple[Dot, ...]
    baselines_flops: tuple[Dot, ...]
    stand_in: bool
    graded: bool
    noise: SeedNoise | None


def networks(scorecards: Sequence[Scorecard]) -> list[Networks]:
    """The measured networks, by question."""
    found: dict[str, list[tuple[str, ModelResult]]] = {}
    for scorecard in scorecards:
        for model in scorecard.models:
            if model.mean_accuracy is not None:
                found.setdefault(model.question, []).append((scorecard.student_id, model))
    return [_networks(question, rows) for question, rows in found.items()]


def _distinct(rows: Sequence[tuple[str, ModelResult]]) -> list[tuple[str, ModelResult]]:
    """Each network once, with the names of all who handed it in; what has no fingerprint is its owner's alone."""
    groups: dict[str, list[tuple[str, ModelResult]]] = {}
    for student, model in rows:
        groups.setdefault(model.fingerprint or f"of {student}", []).append((student, model))
    return [(", ".join(student for student, _ in found), found[0][1]) for found in groups.values()]


def _networks(question: str, rows: Sequence[tuple[str, ModelResult]]) -> Networks:
    first = rows[0][1]
    distinct = [(s, m, m.mean_accuracy) for s, m in _distinct(rows) if m.mean_accuracy is not None]
    stand_in, graded = any(m.stand_in for _, m in rows), all(m.graded for _, m in rows)
    noise = next((m.noise for _, m in rows if m.noise), None)
    shared = list(_shared_baselines(rows))
    return Networks(
        question,
        first.title,
        students=tuple(Dot(s, m.parameters, accuracy) for s, m, accuracy in distinct),
        baselines=tuple(Dot(b.title, b.parameters, b.mean_accuracy or 0.0) for b in shared),
        students_flops=tuple(Dot(s, m.flops, accuracy) for s, m, accuracy in distinct if m.flops),
        baselines_flops=tuple(Dot(b.title, b.flops, b.mean_accuracy or 0.0) for b in shared if b.flops),
        stand_in=stand_in,
        graded=graded,
        noise=noise,
    )


def _shared_baselines(rows: Sequence[tuple[str, ModelResult]]) -> Iterable[Baseline]:
    """The baselines that are the same for everybody; a student's own network as a baseline is nobody else's."""
    for baseline in rows[0][1].baselines:
        accuracies = {b.mean_accuracy for _, model in rows for b in model.baselines if b.id == baseline.id}
        if len(accuracies) == 1 and baseline.mean_accuracy is not None:
            yield baseline
