"""Q6, hidden checks: how the network behaves, and how well it learns by the same recipe as the reference."""

import pytest

from grader.expectations import each_image_by_itself, near_the_reference, untrained


@pytest.mark.requires("test_lenet_output")
def test_lenet_batches(student, seed):
    """LeNet looks at each image by itself."""
    each_image_by_itself(student.network("LeNet"), "LeNet", (3, 32, 32), seed)


@pytest.mark.requires("test_lenet_output")
def test_lenet_untrained(trained):
    """LeNet starts from random weights."""
    untrained(trained.student, "LeNet")


@pytest.mark.requires("test_lenet_untrained")
def test_lenet_accuracy(trained, award):
    """LeNet learns CIFAR-10 about as well as the reference."""
    near_the_reference(trained, "LeNet", award)
