"""What a grading depends on, as scorecards record it: versions, seed, data, and the device, with why it is that."""

from __future__ import annotations

import importlib.metadata
import platform

import torch

from grader import __version__
from grader.assignment import Assignment
from grader.data import DataSet
from grader.errors import AssignmentError
from grader.model import Environment
from grader.plan import Plan


def choose_device(wanted: str) -> tuple[str, str]:
    """The device to train on, and why. Raises AssignmentError for a CUDA device that is not there."""
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise AssignmentError("--device cuda was asked for, and torch finds no CUDA device here; use --device cpu.")
    if wanted == "auto":
        return ("cuda", "a CUDA device is there") if there else ("cpu", "no CUDA device is there")
    return wanted, "as asked for"


def of(spec: Assignment, plan: Plan, images: DataSet | None, device: str) -> Environment:
    """What a grading by this plan depends on; without images nothing is trained."""
    return Environment(
        grader=__version__,
        python=platform.python_version(),
        torch=torch.__version__,
        torchvision=importlib.metadata.version("torchvision"),
        numpy=importlib.metadata.version("numpy"),
        platform=platform.platform(),
        device=_device_name(device),
        seed=spec.seeds.training,
        recipe=f"{device}-{plan.speed}",
        data_name=images.name if images else "none: nothing is trained",
        data_digest=images.digest if images else "",
        stand_in=images.stand_in if images else False,
        assignment_digest=spec.digest,
    )


def _device_name(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else f"cpu ({platform.machine()})"
