"""What a worker tells of a training in it: looked at before it is believed, or only shown.

The scores of the test images are the network's own say, as any answer is; their labels are not in the worker. All else
(curve, time, parameters, layers) decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from grader import wire
from grader.model import Layer, Verdict
from grader.processes.process import Unanswered
from grader.training import Training

MOST = 1e9  # a number that is larger is no loss, no time and no count
MOST_LAYERS = 400
MOST_TEXT, MOST_NOTE = 120, 1000
MOST_DIMENSIONS = 8


@dataclass(frozen=True, eq=False)
class Testimony:
    """A training in a worker. `layers` are its modules as they ran; `note` says what is unusual about its output."""

    training: Training
    parameters: int
    layers: tuple[Layer, ...]
    note: str


def read(reply: wire.Message, shape: tuple[int, int], name: str) -> Testimony:
    """A worker's reply; `shape` is that of the scores. Raises Unanswered where scores or curve cannot be used."""
    logits, initial = (_scores(reply.tensors.get(key), shape, name) for key in ("logits", "initial_logits"))
    body = reply.body
    training = Training(logits, initial, _curve(body.get("curve"), name), _seconds(body.get("seconds")), 0.0)
    layers = body.get("layers")
    found = [_layer(one) for one in layers[:MOST_LAYERS]] if isinstance(layers, list) else []
    return Testimony(
        training,
        _count(body.get("parameters")),
        tuple(layer for layer in found if layer),
        _text(body.get("note", ""), MOST_NOTE),
    )


def _scores(found: Tensor | None, shape: tuple[int, int], name: str) -> Tensor:
    """Scores of the right shape and finite."""
    if found is None or tuple(found.shape) != shape or not found.is_floating_point():
        raise Unanswered(Verdict.FAILED, f"{name}'s training gave no scores of shape {shape}.")
    if not torch.isfinite(found).all():
        raise Unanswered(Verdict.FAILED, f"{name}'s scores are not finite numbers after training.")
    return found.float()


def _curve(claimed: object, name: str) -> tuple[tuple[float, float], ...]:
    """The learning curve."""
    points = claimed if isinstance(claimed, list) else [None]
    return tuple(_pair(point, name) for point in points)


def _pair(point: object, name: str) -> tuple[float, float]:
    """One point of the learning curve."""
    match point:
        case [int() | float() as loss, int() | float() as accuracy] if abs(loss) < MOST and abs(accuracy) < MOST:
            return float(loss), min(max(float(accuracy), 0.0), 1.0)
    raise Unanswered(Verdict.FAILED, f"{name}'s training gave a learning curve that is none.")


def _seconds(claimed: object) -> float:
    """The time that the training took."""
    return float(claimed) if isinstance(claimed, int | float) and 0 <= claimed < MOST else 0.0


def _count(claimed: object) -> int:
    """How many there are of something."""
    return int(claimed) if isinstance(claimed, int) and 0 <= claimed < MOST else 0


def _text(claimed: object, most: int) -> str:
    """Words that can be stored: no halves of characters."""
    return str(claimed)[:most].encode("utf-8", "replace").decode()


def _layer(claimed: object) -> Layer | None:
    """One module as it ran."""
    match claimed:
        case [str() as op, list() as shape, parameters] if len(shape) <= MOST_DIMENSIONS:
            return Layer(
                op=_text(op, MOST_TEXT),
                output_shape=tuple(_count(side) for side in shape),
                parameters=_count(parameters),
                flops=0,
            )
    return None
