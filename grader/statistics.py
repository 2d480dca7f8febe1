"""Intervals and paired tests, so that a difference is only called one when it is more than chance. No torch.

Accuracies are fractions from 0 to 1. Predictions and labels are class numbers, as arrays or sequences.

Theory of operation. Two networks are compared on the same test images, so only the images on which they disagree say
anything: the exact test of McNemar (1947) asks whether these fall evenly to both sides. The interval of the difference
is Newcombe's for paired proportions (R. G. Newcombe, "Improved confidence intervals for the difference between binomial
proportions based on paired data", Statistics in Medicine 17, 1998, 2635-2650, method 10), which joins two intervals of
Wilson (1927) by the correlation of the two results. Ten classes are ten tests: Holm (1979) keeps the chance of one
false alarm among them at 5 %.

An accuracy is scored against the reference's, with margins that are wide beside what another seed changes. Where the
first training comes to lie near the end of a margin, more seeds are trained and the means are compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from grader.model import ClassAccuracy, Comparison, Conclusion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

LEVEL = 0.05
Z = 1.959963984540054  # the normal distribution's 97.5 % point, for intervals of 95 %


def wilson(k: int, n: int) -> tuple[float | None, float | None]:
    """The 95 % interval of Wilson for `k` of `n`; (None, None) when there is nothing to count."""
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is not a proportion")
    return _wilson(k, n) if n else (None, None)


def accuracy_per_class(predictions: ArrayLike, labels: ArrayLike, names: Sequence[str]) -> tuple[ClassAccuracy, ...]:
    """How many images of each class are recognised, with intervals."""
    found, wanted = _classes(predictions, len(names)), _classes(labels, len(names))
    _same_length(found, wanted)
    results = []
    for number, name in enumerate(names):
        members = wanted == number
        correct, total = int((found[members] == number).sum()), int(members.sum())
        low, high = wilson(correct, total)
        results.append(ClassAccuracy(name=name, correct=correct, total=total, low=low, high=high))
    return tuple(results)


def confusion(predictions: ArrayLike, labels: ArrayLike, n: int) -> tuple[tuple[int, ...], ...]:
    """Row i, column j: how many images of class i were taken for class j."""
    import numpy as np

    found, wanted = _classes(predictions, n), _classes(labels, n)
    _same_length(found, wanted)
    counts = np.bincount(wanted * n + found, minlength=n * n).reshape(n, n)
    return tuple(tuple(row) for row in counts.tolist())


def compare(
    student_predictions: ArrayLike, baseline_predictions: ArrayLike, labels: ArrayLike, names: Sequence[str]
) -> tuple[tuple[Comparison, ...], Comparison]:
    """The student's network against a baseline on the same images: for each class, and for all images together.

    The p-values of the classes are Holm-adjusted; a class without images shows no difference. The overall test stands
    by itself.
    """
    student, baseline, wanted = (_classes(a, len(names)) for a in (student_predictions, baseline_predictions, labels))
    _same_length(student, wanted)
    _same_length(baseline, wanted)
    right, other = student == wanted, baseline == wanted
    members = [wanted == number for number in range(len(names))]
    p_values = _holm([_mcnemar(right[m], other[m]) for m in members])
    classes = tuple(
        _comparison(name, right[m], other[m], p) for name, m, p in zip(names, members, p_values, strict=True)
    )
    return classes, _comparison("overall", right, other, _mcnemar(right, other))


def score(accuracy: float, reference: float, full_margin: float = 0.03, zero_margin: float = 0.15) -> float:
    """The fraction of the points for an accuracy: 1 to `full_margin` below the reference, 0 from `zero_margin` on.

    In between it falls in a line.
    """
    if not 0 <= full_margin < zero_margin:
        raise ValueError(f"the margins must be 0 <= full < zero, not {full_margin} and {zero_margin}")
    short = reference - accuracy
    if math.isnan(short):
        return 0.0
    return min(1.0, max(0.0, (zero_margin - short) / (zero_margin - full_margin)))


def near_boundary(
    accuracy: float, reference: float, full_margin: float = 0.03, zero_margin: float = 0.15, within: float = 0.015
) -> bool:
    """Whether `score` may hang on the seed: the accuracy is at most `within` from where it leaves 1 or reaches 0."""
    short = reference - accuracy
    return any(abs(short - margin) <= within for margin in (full_margin, zero_margin))


def settled_score(accuracies: Sequence[float], references: Sequence[float]) -> float:
    """The score by the whole rule, of a network and the reference trained from the same seeds in the same order.

    The first seed decides, unless it is near a boundary: then the means over all seeds do.
    """
    if near_boundary(accuracies[0], references[0]):
        return score(fmean(accuracies), fmean(references))
    return score(accuracies[0], references[0])


def _comparison(name: str, right: NDArray[np.bool_], other: NDArray[np.bool_], p_value: float) -> Comparison:
    difference, low, high = _newcombe(right, other)
    conclusion = Conclusion.UNCLEAR
    if p_value < LEVEL and difference:
        conclusion = Conclusion.BETTER if difference > 0 else Conclusion.WORSE
    return Comparison(name=name, difference=difference, low=low, high=high, p_value=p_value, conclusion=conclusion)


def _wilson(k: int, n: int) -> tuple[float, float]:
    centre, half = (k + Z * Z / 2) / (n + Z * Z), Z * math.sqrt(k * (n - k) / n + Z * Z / 4) / (n + Z * Z)
    return (0.0 if k == 0 else centre - half), (1.0 if k == n else centre + half)


def _mcnemar(right: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """The exact two-sided p-value of the images that only one of the two networks recognises."""
    from scipy.stats import binomtest

    gained, lost = int((right & ~other).sum()), int((other & ~right).sum())
    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def _newcombe(right: NDArray[np.bool_], other: NDArray[np.bool_]) -> tuple[float, float, float]:
    """The difference of the two accuracies and its 95 % interval; everything is possible when there are no images."""
    n = len(right)
    if n == 0:
        return 0.0, -1.0, 1.0
    both, gained = int((right & other).sum()), int((right & ~other).sum())
    lost, neither = int((other & ~right).sum()), int((~right & ~other).sum())
    first, second = (both + gained) / n, (both + lost) / n
    (l1, u1), (l2, u2) = _wilson(both + gained, n), _wilson(both + lost, n)
    phi = _correlation(both, gained, lost, neither)
    down, up = first - l1, u2 - second
    low = math.sqrt(max(0.0, down * down - 2 * phi * down * up + up * up))
    down, up = second - l2, u1 - first
    high = math.sqrt(max(0.0, down * down - 2 * phi * down * up + up * up))
    difference = (gained - lost) / n
    return difference, max(-1.0, difference - low), min(1.0, difference + high)


def _correlation(both: int, gained: int, lost: int, neither: int) -> float:
    """Newcombe's estimate of phi, with his correction for continuity where the two results agree."""
    margins = (both + gained) * (lost + neither) * (both + lost) * (gained + neither)
    if not margins:
        return 0.0
    n = both + gained + lost + neither
    product = both * neither - gained * lost
    corrected = max(product - n / 2, 0) if product > 0 else product
    return corrected / math.sqrt(margins)


def _holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: each may be held against 5 % by itself."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, p_values[i] * (len(p_values) - rank)))
        adjusted[i] = largest
    return adjusted


def _classes(values: ArrayLike, n: int) -> NDArray[np.int64]:
    """Class numbers as a flat array; ValueError when one is not from 0 to n - 1."""
    import numpy as np

    found: NDArray[Any] = np.asarray(values)
    if found.ndim != 1 or (found.size and not np.issubdtype(found.dtype, np.integer)):
        raise ValueError(f"class numbers are a flat list of whole numbers, not {found.dtype} {found.shape}")
    if found.size and not 0 <= found.min() <= found.max() < n:
        raise ValueError(f"class numbers are from 0 to {n - 1}; found {found.min()} to {found.max()}")
    return found.astype(np.int64)


def _same_length(found: NDArray[np.int64], wanted: NDArray[np.int64]) -> None:
    if len(found) != len(wanted):
        raise ValueError(f"{len(found)} predictions for {len(wanted)} labels")
