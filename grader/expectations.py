"""What any assignment's check may expect of a network that was measured; each a sentence where it is not so.

They raise AssertionError, which is the student's FAILED, or give a part of the points by `award`. `name` is the
network's own, for the sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from grader.statistics import score
from grader.training import RECENT, known_by_heart, recent

if TYPE_CHECKING:
    from grader.graph.rebuild import Network
    from grader.measurement import Accuracy, Trained

Award = Callable[[float, str], None]
FULL_MARGIN, ZERO_MARGIN = 0.03, 0.15  # see docs/statistics.md for the noise that they allow for


def each_image_by_itself(network: Network, name: str, shape: tuple[int, ...], seed: int) -> None:
    """Change all images of a batch but the first; its scores must stay. `shape`: of one image."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn((16, *shape), generator=generator)
    others = torch.cat([images[:1], torch.randn((15, *shape), generator=generator)])
    found, again = network.run(images), network.run(others)
    _expect(bool(found.isfinite().all()), f"{name} gives scores that are not finite numbers for ordinary images.")
    _expect(
        torch.allclose(found[0], again[0], rtol=1e-3, atol=1e-4),
        f"In evaluation mode {name}'s scores of an image change when the other images of the batch do, or from one run "
        "to the next. Dropout and batch normalisation must be modules of the network (nn.Dropout, nn.BatchNorm2d) or "
        "be told self.training, and no operation may run along the first dimension.",
    )


def untrained(accuracy: Accuracy, name: str, classes: int = 10) -> None:
    """Chance before training: of 180 networks fresh from their constructors none was above 1.5 times chance.

    Few images blur that.
    """
    usual = 1.5 / classes
    limit = usual + 3 * (usual * (1 - usual) / accuracy.test_images) ** 0.5
    _expect(
        accuracy.initial_accuracy <= limit,
        f"Before any training here, {name} recognises {accuracy.initial_accuracy:.1%} of {accuracy.test_images} test "
        f"images; with random weights it is about {1 / classes:.0%}. Hand in the network without trained weights: it "
        "is trained here.",
    )


def learns_one_batch(losses: Sequence[float], name: str, classes: int = 10) -> None:
    """The loss on one batch falls well below guessing, so the network can learn at all."""
    enough = known_by_heart(classes)
    _expect(
        recent(losses) < enough,  # not so for NaN either
        f"After {len(losses)} steps on the same few images {name}'s loss has gone from {losses[0]:.2f} to "
        f"{recent(losses):.2f} (the mean of the last {RECENT}); less than {enough:.2f} was wanted, half of what "
        "guessing gives. Look for layers that gradients do not pass: frozen weights (requires_grad), detached or "
        "reassigned tensors, a softmax at the end, activations that are always 0, dropout that is too strong.",
    )


def near_the_reference(trained: Trained, name: str, award: Award) -> None:
    """Points for an accuracy near the reference's, which was trained alike."""
    own, reference = trained.student.mean_accuracy, trained.reference.mean_accuracy
    message = f"{name} reaches {own:.1%}; our own, trained alike on the same images, {reference:.1%}. "
    message += f"{trained.note} " if trained.note else ""
    full, none = max(reference - FULL_MARGIN, 0), max(reference - ZERO_MARGIN, 0)
    award(
        score(own, reference, FULL_MARGIN, ZERO_MARGIN),
        message + f"All points are given from {full:.1%} on, none at {none:.1%}.",
    )


def shown_only(trained: Trained, award: Award) -> None:
    """All points for training to the end; the accuracy of a run that is too short to grade is told."""
    own, reference = trained.student.mean_accuracy, trained.reference.mean_accuracy
    award(
        1.0,
        f"Trained to the end. The accuracy after this short run is shown, not graded: {own:.1%}, and {reference:.1%} "
        "for our own, trained alike. It is far from what such a network reaches in the end.",
    )


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
