"""What was trained, in files named by the job's key: written whole or not at all, and believed only if whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader import data as datasets
from grader.errors import DataError
from grader.model import Verdict
from grader.trainer.job import Outcome

if TYPE_CHECKING:
    from torch import Tensor


def path_of(folder: Path, key: str) -> Path:
    """The file of a key."""
    return folder / f"{key}.safetensors"


def write(path: Path, key: str, tensors: dict[str, Tensor], note: dict[str, Any]) -> None:
    """Put a result in the cache."""
    datasets.save_tensors(path, tensors, {**note, "digest": datasets.digest_of(key, tensors)})


def read(path: Path, key: str, *, cached: bool) -> Outcome | None:
    """The outcome in a file of the cache; None when there is none, or not a whole one of this key."""
    from grader.training import Training

    try:
        tensors, note = datasets.load_tensors(path)
        if datasets.digest_of(key, tensors) != note["digest"]:
            return None
        if "losses" in tensors:
            return Outcome(key, Verdict.PASSED, losses=tuple(tensors["losses"].tolist()), cached=cached)
        curve = tuple((loss, accuracy) for loss, accuracy in tensors["curve"].tolist())
        scores = (tensors["logits"], tensors["initial_logits"])
        training = Training(*scores, curve, note["seconds"], note["cpu_seconds"])
        probe_logits = tensors.get("probe_logits")
        return Outcome(key, Verdict.PASSED, training=training, cached=cached, probe_logits=probe_logits)
    except (DataError, KeyError, TypeError):
        return None
