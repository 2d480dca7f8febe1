"""The wrong answers that are shown: which, in what order, and that their pictures are the images."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from grader.mistakes import png, probabilities, worst

NAMES = ["cat", "dog", "ship"]


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (5, 7), (32, 32)])
def test_a_png_holds_the_image(width: int, height: int) -> None:
    pixels = np.random.default_rng(0).bytes(3 * width * height)
    read = Image.open(io.BytesIO(png(pixels, width, height)))
    assert (read.format, read.mode, read.size) == ("PNG", "RGB", (width, height))
    assert read.tobytes() == pixels


def test_the_surest_wrong_answers_come_first_and_right_ones_not_at_all() -> None:
    scores = np.array([[0, 9, 0], [5, 0, 0], [0, 0, 1], [0, 0, 9.5]], np.float32)
    pictures = images(4)
    found = worst(scores, np.array([1, 1, 0, 0]), pictures, NAMES)
    assert [(m.label, m.predicted) for m in found] == [("cat", "ship"), ("dog", "cat"), ("cat", "ship")]
    assert found[0].confidence == pytest.approx(1 / (1 + 2 * np.exp(-9.5)))
    shown = Image.open(io.BytesIO(base64.b64decode(found[0].image)))
    assert np.array_equal(np.asarray(shown).transpose(2, 0, 1), pictures[3])


def test_a_true_class_is_shown_twice_and_ten_images_in_all() -> None:
    labels = np.repeat(np.arange(10), 5)
    scores = np.eye(10, dtype=np.float32)[(labels + 1) % 10] * np.linspace(9, 1, 50, dtype=np.float32)[:, None]
    found = worst(scores, labels, images(50), [str(i) for i in range(10)])
    assert [m.label for m in found] == ["0", "0", "1", "1", "2", "2", "3", "3", "4", "4"]


def test_a_network_without_mistakes_has_none_to_show() -> None:
    assert worst(np.eye(3, dtype=np.float32), np.arange(3), images(3), NAMES) == ()


def test_scores_that_are_probabilities_already_are_left_alone() -> None:
    sure = np.array([[0.98, 0.01, 0.01], [0.2, 0.5, 0.3]], np.float32)
    assert probabilities(sure) == pytest.approx(sure)
    assert probabilities(np.log(sure)) == pytest.approx(sure)
    assert probabilities(np.float32([[1e4, 0, 0]])) == pytest.approx(np.array([[1, 0, 0]]))
