"""Trains the reference before anybody's submission is there, so that no grading has to."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import torch

from grader import assignment, data
from grader.judge import environment
from grader.measurement.measurements import Measurements
from grader.plan import Plan
from grader.reference import Reference
from grader.trainer import Trainer


def train(plan: Plan) -> list[str]:
    """Train what each grading by the plan asks of the reference, into its cache; for each why it failed, or "".

    Raises the exceptions of errors.py for a reference, an assignment or images that cannot be used.
    """
    assert plan.reference is not None  # noqa: S101  # a plan without one has nothing to train
    torch.set_num_threads(1)
    spec = assignment.load(Path(plan.assignment))
    reference = Reference(Path(plan.reference), spec)
    images = data.open_default(Path(plan.data) if plan.data else None)
    device, _ = environment.choose_device(plan.device)
    with (
        Trainer(images, device, plan.jobs, Path(plan.cache) if plan.cache else None) as trainer,
        closing(Measurements(spec, reference, trainer, images, device, plan.speed)) as measurements,
    ):
        return [future.result().reason for future in measurements.of_reference()]
