"""The test images that a network is most sure of and wrong about, small enough to be shown on a page."""

from __future__ import annotations

import base64
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from grader.model import Mistake

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST = 10
MOST_OF_A_CLASS = 2  # else the class that is hardest of all fills the row
SIGNATURE = b"\x89PNG\r\n\x1a\n"
EIGHT_BIT_RGB = (8, 2, 0, 0, 0)  # bits, colour type, compression, filtering, no interlacing
LEFT = 1  # the filter that stores a pixel as its difference from the one to its left
ROUNDING = 1e-3


def worst(
    scores: NDArray[np.float32], labels: NDArray[np.int64], images: NDArray[np.uint8], names: Sequence[str]
) -> tuple[Mistake, ...]:
    """The wrong answers with the highest predicted probability, the surest first, at most two for a true class.

    `scores`: (N, C), before or after softmax; `labels`: (N,); `images`: (N, 3, H, W).
    """
    answers, sure = scores.argmax(1), probabilities(scores).max(1)
    wrong = (answers != labels).nonzero()[0]
    shown: Counter[int] = Counter()
    found = []
    for i in wrong[(-sure[wrong]).argsort(kind="stable")].tolist():
        label = int(labels[i])
        shown[label] += 1
        if shown[label] <= MOST_OF_A_CLASS:
            picture = base64.b64encode(png(*_rgb(images[i]))).decode()
            answer = names[int(answers[i])]
            found.append(
                Mistake(label=names[label], predicted=answer, confidence=min(1.0, float(sure[i])), image=picture)
            )
        if len(found) == MOST:
            break
    return tuple(found)


def _rgb(image: NDArray[np.uint8]) -> tuple[bytes, int, int]:
    """An image (3, H, W), its bytes in the order of pixels, its width and its height."""
    return image.transpose(1, 2, 0).tobytes(), image.shape[2], image.shape[1]


def probabilities(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Softmax of the scores, (N, C); scores that are probabilities already stay as they are."""
    import numpy as np

    x = scores.astype(np.float64)
    if (x >= 0).all() and (np.abs(x.sum(1) - 1) < ROUNDING).all():
        return x
    e: NDArray[np.float64] = np.exp(x - x.max(1, keepdims=True))
    e /= e.sum(1, keepdims=True)
    return e


def png(rgb: bytes, width: int, height: int) -> bytes:
    """An image (H, W, 3) of bytes as a PNG file: the same bytes for the same image on every machine."""
    across = 3 * width
    rows = (rgb[i : i + across] for i in range(0, height * across, across))
    filtered = b"".join(bytes([LEFT, *_differences(row)]) for row in rows)
    header = struct.pack(">II5B", width, height, *EIGHT_BIT_RGB)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(filtered, 9)), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(*chunk) for chunk in chunks)


def _differences(row: bytes) -> Iterator[int]:
    """Each byte minus that of the pixel to its left, modulo 256; 0 is to the left of the first."""
    return ((here - left) % 256 for here, left in zip(row, bytes(3) + row, strict=False))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
