"""Q7, hidden checks: how the network behaves, and how well it learns by the same recipe as the reference."""

import pytest
import torch

from grader.statistics import score


def check_batches(network, name, seed):
    """Change all images but the first; its scores must stay."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn((16, 3, 32, 32), generator=generator)
    others = torch.cat([images[:1], torch.randn((15, 3, 32, 32), generator=generator)])
    found, again = network.run(images), network.run(others)
    assert found.isfinite().all(), f"{name} gives scores that are not finite numbers for ordinary images."
    assert torch.allclose(found[0], again[0], rtol=1e-3, atol=1e-4), (
        f"In evaluation mode {name}'s scores of an image change when the other images of the batch do, or from one run "
        "to the next. Dropout and batch normalisation must be modules of the network (nn.Dropout, nn.BatchNorm2d) or "
        "be told self.training, and no operation may run along the first dimension."
    )


def check_untrained(result, name):
    """Chance is 10 %; of 180 networks fresh from their constructors none was above 15 %. Few images blur that."""
    limit = 0.15 + 3 * (0.15 * 0.85 / result.test_images) ** 0.5
    assert result.initial_accuracy <= limit, (
        f"Before any training here, {name} recognises {result.initial_accuracy:.1%} of {result.test_images} test "
        "images; with random weights it is about 10 %. Hand in the network without trained weights: it is trained here."
    )


def award_accuracy(trained, name, award):
    """Points for an accuracy near the reference's, which was trained alike."""
    own, reference = trained.student.mean_accuracy, trained.reference.mean_accuracy
    message = f"{name} reaches {own:.1%}; our own, trained alike on the same images, {reference:.1%}. "
    message += f"{trained.note} " if trained.note else ""
    full, none = max(reference - 0.03, 0), max(reference - 0.15, 0)
    award(
        score(own, reference, full_margin=0.03, zero_margin=0.15),
        message + f"All points are given from {full:.1%} on, none at {none:.1%}.",
    )


@pytest.mark.requires("test_efficientnet_output")
def test_efficientnet_batches(student, seed):
    """EfficientNet looks at each image by itself."""
    check_batches(student.network("EfficientNet"), "EfficientNet", seed)


@pytest.mark.requires("test_efficientnet_output")
def test_efficientnet_untrained(trained):
    """EfficientNet starts from random weights."""
    check_untrained(trained.student, "EfficientNet")


@pytest.mark.requires("test_efficientnet_output")
def test_efficientnet_one_batch(one_batch):
    """EfficientNet can learn one batch of images by heart."""
    first, last = one_batch[0], one_batch[-1]
    assert last < first / 2, (  # not so for NaN either
        f"After {len(one_batch)} steps on the same 64 images the loss has gone from {first:.2f} to {last:.2f}; less "
        f"than half of the first, {first / 2:.2f}, was wanted. Look for layers that gradients do not pass: detached or "
        "reassigned tensors, a softmax at the end, activations that are always 0, dropout that is too strong."
    )


@pytest.mark.requires("test_efficientnet_untrained")
def test_efficientnet_accuracy(trained, award):
    """EfficientNet trains to the end, and where a GPU trains it, about as well as the reference."""
    if trained.recipe.graded:
        award_accuracy(trained, "EfficientNet", award)
    else:  # training that fails ends the check before this line
        award(1.0, f"Trained to the end. {ungraded(trained)}")


def ungraded(trained):
    own, reference = trained.student.mean_accuracy, trained.reference.mean_accuracy
    return (
        f"The accuracy after this short run is shown, not graded: {own:.1%}, and {reference:.1%} for our own, trained "
        "alike. It is far from what an EfficientNet reaches in the end."
    )
