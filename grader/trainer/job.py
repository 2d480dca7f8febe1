"""The nouns of training: a network, a job, how it ended; and what the result depends on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from grader.model import Verdict
from grader.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from grader.training import Training


@dataclass(frozen=True, eq=False)
class CapturedNetwork:
    """A network as captured, with the digests of its canonical form and of its weights; see `captured`."""

    ir: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    fingerprint: str
    weights_digest: str


@dataclass(frozen=True)
class PythonNetwork:
    """Class `name` of a trusted file, made without arguments after torch.manual_seed(seed)."""

    path: Path
    name: str
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Job:
    """One network to train by a recipe, or to let learn one batch by heart. Wall time counts from the job's start.

    With a `probe`, a copy of some test images that it transforms is scored as well; see grader.honesty.
    """

    network: CapturedNetwork | PythonNetwork
    recipe: Recipe
    seed: int = 0
    what: Literal["train", "overfit"] = "train"
    wall_seconds: float = 900.0
    memory_mib: int = 4096
    probe: int | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """How a job ended: PASSED with a `training` or, for overfit, `losses`; any other verdict with a `reason`.

    FAILED: the loss did not stay finite. RAISED: the network could not be run. INTERNAL: not the network's fault.
    `probe_logits`: the trained network's scores of the transformed copies, (P, C) float32, where the job had a probe.
    """

    key: str
    verdict: Verdict
    reason: str = ""
    training: Training | None = None
    losses: tuple[float, ...] = ()
    cached: bool = False
    probe_logits: Tensor | None = None


def captured(ir: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> CapturedNetwork:
    """A captured network with its digests. Raises grader.graph.rebuild.Refused."""
    from grader.graph import canonical

    return CapturedNetwork(ir, tensors, *canonical.digests(ir, tensors))


def identity(network: CapturedNetwork | PythonNetwork) -> list[Any]:
    """What tells a network, initial weights included, from any other."""
    if isinstance(network, CapturedNetwork):
        return [network.fingerprint, network.weights_digest]
    return [hashlib.sha256(network.path.read_bytes()).hexdigest(), network.name, network.seed]
