"""Q7, hidden checks: how the network behaves, and how well it learns by the same recipe as the reference.

Any network behaves and learns; only an EfficientNet's doing so is worth points here. What makes it one, whatever its
width, depth and strides, is the inverted residual block.
"""

import pytest

from grader.expectations import each_image_by_itself, learns_one_batch, near_the_reference, shown_only, untrained

BLOCKS = "test_efficientnet_inverted_residuals"


@pytest.mark.requires("test_efficientnet_output")
@pytest.mark.requires(BLOCKS)
def test_efficientnet_batches(student, seed):
    """EfficientNet looks at each image by itself."""
    each_image_by_itself(student.network("EfficientNet"), "EfficientNet", (3, 32, 32), seed)


@pytest.mark.requires("test_efficientnet_output")
@pytest.mark.requires(BLOCKS)
def test_efficientnet_untrained(trained):
    """EfficientNet starts from random weights."""
    untrained(trained.student, "EfficientNet")


@pytest.mark.requires("test_efficientnet_output")
@pytest.mark.requires(BLOCKS)
def test_efficientnet_one_batch(one_batch):
    """EfficientNet can learn one batch of images by heart."""
    learns_one_batch(one_batch, "EfficientNet")


@pytest.mark.requires("test_efficientnet_untrained")
def test_efficientnet_accuracy(trained, award):
    """EfficientNet trains to the end, and where a GPU trains it, about as well as the reference."""
    if trained.recipe.graded:
        near_the_reference(trained, "EfficientNet", award)
    else:  # training that fails ends the check before this line
        shown_only(trained, award)
