from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from grader import statistics
from grader.model import Conclusion
from grader.statistics import accuracy_per_class, compare, confusion, near_boundary, score, settled_score, wilson

NAMES = tuple("abcdefghij")
Classes = NDArray[np.int64]


def results(seed: int, images: int, first: float, second: float) -> tuple[Classes, Classes, Classes]:
    """Predictions of two networks with these accuracies, and the labels."""
    numbers = np.random.default_rng(seed)
    labels = numbers.integers(0, 10, images)
    predictions = [
        np.where(numbers.random(images) < accuracy, labels, (labels + numbers.integers(1, 10, images)) % 10)
        for accuracy in (first, second)
    ]
    return predictions[0], predictions[1], labels


def table(both: int, gained: int, lost: int, neither: int) -> tuple[Classes, Classes, Classes]:
    """Predictions of two networks on one class that agree and differ so often, and the labels."""
    student = np.repeat([0, 0, 1, 1], [both, gained, lost, neither])
    baseline = np.repeat([0, 1, 0, 1], [both, gained, lost, neither])
    return student, baseline, np.zeros(both + gained + lost + neither, np.int64)


counts = st.integers(0, 40)


@pytest.mark.slow  # statsmodels takes a second to import
@given(st.integers(0, 2000), st.integers(1, 2000))
def test_wilson_equals_statsmodels(k: int, n: int):
    from statsmodels.stats.proportion import proportion_confint

    assume(k <= n)
    assert wilson(k, n) == pytest.approx(proportion_confint(k, n, method="wilson"), abs=1e-9)


def test_wilson_of_nothing_is_unknown_and_of_nonsense_refused():
    assert wilson(0, 0) == (None, None)
    assert wilson(0, 5)[0] == 0.0
    assert wilson(5, 5)[1] == 1.0
    with pytest.raises(ValueError, match="6 of 5"):
        wilson(6, 5)


def test_accuracy_per_class_counts_each_class_for_itself():
    found = accuracy_per_class([0, 1, 1, 0, 1], [0, 0, 1, 1, 1], ("cat", "dog", "eel"))
    assert [(c.name, c.correct, c.total, c.accuracy) for c in found] == [
        ("cat", 1, 2, 0.5),
        ("dog", 2, 3, pytest.approx(2 / 3)),
        ("eel", 0, 0, None),
    ]
    assert (found[2].low, found[2].high) == (None, None)
    assert (found[1].low, found[1].high) == wilson(2, 3)


@pytest.mark.slow
def test_confusion_equals_torchmetrics():
    import torch
    from torchmetrics.functional.classification import multiclass_confusion_matrix

    student, _, labels = results(0, 3000, 0.6, 0.6)
    expected = multiclass_confusion_matrix(torch.from_numpy(student), torch.from_numpy(labels), 10)
    assert confusion(student, labels, 10) == tuple(map(tuple, expected.tolist()))


@given(counts, counts, counts, counts)
def test_the_p_value_is_mcnemars_exact_one(both: int, gained: int, lost: int, neither: int):
    from statsmodels.stats.contingency_tables import mcnemar

    assume(gained + lost)
    _, overall = compare(*table(both, gained, lost, neither), ("a", "b"))
    assert overall.p_value == pytest.approx(mcnemar([[both, gained], [lost, neither]], exact=True).pvalue)


@pytest.mark.parametrize(
    ("cells", "interval"), [((36, 12, 2, 0), (0.0569, 0.3404)), ((20, 12, 2, 16), (0.0562, 0.3292))]
)
def test_the_interval_is_newcombes(cells: tuple[int, ...], interval: tuple[float, float]):
    """The examples of his paper, method 10."""
    _, overall = compare(*table(*cells), ("a", "b"))
    assert overall.difference == pytest.approx(0.2)
    assert (overall.low, overall.high) == pytest.approx(interval, abs=5e-5)


def plain_newcombe(both: int, gained: int, lost: int, neither: int) -> tuple[float, float]:
    """The formula of the paper as it is printed, with statsmodels' Wilson intervals."""
    from statsmodels.stats.proportion import proportion_confint

    n = both + gained + lost + neither
    p1, p2 = (both + gained) / n, (both + lost) / n
    (l1, u1), (l2, u2) = (proportion_confint(k, n, method="wilson") for k in (both + gained, both + lost))
    product, phi = both * neither - gained * lost, 0.0
    if margins := (both + gained) * (lost + neither) * (both + lost) * (gained + neither):
        phi = (product if product < 0 else max(product - n / 2, 0)) / math.sqrt(margins)
    below = (p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2
    above = (p2 - l2) ** 2 - 2 * phi * (p2 - l2) * (u1 - p1) + (u1 - p1) ** 2
    return p1 - p2 - math.sqrt(max(below, 0)), p1 - p2 + math.sqrt(max(above, 0))


@given(counts, counts, counts, counts)
def test_the_interval_follows_the_formula_and_stays_within_bounds(both: int, gained: int, lost: int, neither: int):
    assume(both + gained + lost + neither)
    _, overall = compare(*table(both, gained, lost, neither), ("a", "b"))
    low, high = plain_newcombe(both, gained, lost, neither)
    assert (overall.low, overall.high) == pytest.approx((max(low, -1), min(high, 1)), abs=1e-6)
    assert -1 <= overall.low <= overall.difference + 1e-9
    assert overall.difference - 1e-9 <= overall.high <= 1


@given(counts, counts, counts, counts)
def test_exchanging_the_networks_mirrors_the_comparison(both: int, gained: int, lost: int, neither: int):
    assume(both + gained + lost + neither)
    student, baseline, labels = table(both, gained, lost, neither)
    _, one = compare(student, baseline, labels, ("a", "b"))
    _, other = compare(baseline, student, labels, ("a", "b"))
    assert (one.difference, one.low, one.high) == pytest.approx((-other.difference, -other.high, -other.low))
    mirrored = {Conclusion.BETTER: Conclusion.WORSE, Conclusion.WORSE: Conclusion.BETTER}
    assert other.conclusion == mirrored.get(one.conclusion, Conclusion.UNCLEAR)


@pytest.mark.slow  # this part of statsmodels takes a second to import
def test_the_adjustment_is_holms():
    from statsmodels.stats.multitest import multipletests

    numbers = np.random.default_rng(0)
    for size in range(1, 13):
        p_values = (numbers.random(size) ** 3).round(2).tolist()  # small ones, and ties
        assert statistics._holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))


@pytest.mark.slow
def test_the_interval_holds_the_true_difference_as_often_as_it_says():
    held = 0
    for seed in range(250):
        _, overall = compare(*results(seed, 200, 0.65, 0.55), NAMES)
        held += overall.low <= 0.1 <= overall.high
    assert 0.93 <= held / 250 <= 0.98


@pytest.mark.slow
def test_equal_networks_are_seldom_told_apart():
    alarms = 0
    for seed in range(200):
        classes, _ = compare(*results(seed, 1000, 0.6, 0.6), NAMES)
        alarms += any(c.conclusion is not Conclusion.UNCLEAR for c in classes)
    assert alarms / 200 <= 0.05


def test_a_class_is_better_only_when_the_adjusted_test_says_so():
    """12 against 2 is p = 0.013 alone and 0.13 among ten classes."""
    student, baseline, labels = table(36, 12, 2, 0)
    classes, overall = compare(student, baseline, labels, NAMES)
    assert overall.conclusion is Conclusion.BETTER
    assert overall.p_value == pytest.approx(0.0129, abs=1e-4)
    assert classes[0].p_value == pytest.approx(0.129, abs=1e-3)
    assert classes[0].conclusion is Conclusion.UNCLEAR


def test_a_clear_difference_has_its_direction():
    classes, overall = compare(*results(0, 4000, 0.5, 0.7), NAMES)
    assert {c.conclusion for c in classes} == {Conclusion.WORSE}
    assert overall.conclusion is Conclusion.WORSE
    assert [c.name for c in classes] == list(NAMES)


def test_a_class_without_images_shows_no_difference():
    classes, _ = compare([0, 0], [0, 1], [0, 0], ("a", "b"))
    empty = classes[1]
    assert (empty.difference, empty.low, empty.high, empty.p_value) == (0.0, -1.0, 1.0, 1.0)
    assert empty.conclusion is Conclusion.UNCLEAR


@pytest.mark.parametrize(
    ("accuracy", "fraction"), [(0.9, 1.0), (0.6, 1.0), (0.571, 1.0), (0.51, 0.5), (0.449, 0.0), (0.0, 0.0)]
)
def test_the_score_is_full_near_the_reference_and_falls_in_a_line(accuracy: float, fraction: float):
    assert score(accuracy, 0.6) == pytest.approx(fraction)


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_better_accuracy_never_scores_less(one: float, other: float):
    assert score(max(one, other), 0.6) >= score(min(one, other), 0.6)
    assert score(math.nan, 0.6) == 0.0


@pytest.mark.parametrize(
    ("values", "message"),
    [([0, 10], "from 0 to 9"), ([0, -1], "from 0 to 9"), ([0.5, 1], "whole numbers"), ([0], "1 predictions for 2")],
)
def test_what_are_no_class_numbers_is_refused(values: list[Any], message: str):
    with pytest.raises(ValueError, match=message):
        confusion(values, [0, 1], 10)
    with pytest.raises(ValueError, match=message):
        accuracy_per_class(values, [0, 1], NAMES)
    with pytest.raises(ValueError, match=message):
        compare([0, 1], values, [0, 1], NAMES)


def test_margins_must_be_in_order():
    with pytest.raises(ValueError, match="0 <= full < zero"):
        score(0.5, 0.6, full_margin=0.2, zero_margin=0.1)


@pytest.mark.parametrize(
    ("accuracy", "near"),
    [
        (0.7, False),
        (0.59, False),
        (0.584, True),
        (0.557, True),
        (0.55, False),
        (0.464, True),
        (0.437, True),
        (0.4, False),
    ],
)
def test_the_ends_of_both_margins_have_a_neighbourhood(accuracy: float, near: bool):
    assert near_boundary(accuracy, 0.6) is near


def test_near_a_boundary_the_means_of_all_seeds_decide():
    assert settled_score([0.565, 0.59, 0.59], [0.6, 0.6, 0.6]) == 1.0
    assert settled_score([0.575, 0.50, 0.53], [0.6, 0.6, 0.6]) == pytest.approx(score(0.535, 0.6))
    assert settled_score([0.59, 0.1, 0.1], [0.6, 0.6, 0.6]) == 1.0
    assert settled_score([0.54, 0.6, 0.6], [0.6, 0.6, 0.6]) == pytest.approx(0.75)


def false_fails(deviation: float, trials: int, gap: float = 0.0) -> float:
    """The share of networks truly `gap` below the reference that lose points, seeds varying so much in normal noise."""
    draws = np.random.default_rng(0).normal(0.6, deviation, (trials, 2, 3))
    draws[:, 0] -= gap
    return sum(settled_score(own, reference) < 1 for own, reference in draws.tolist()) / trials


@pytest.mark.parametrize(("deviation", "bound"), [(0.005, 0.0), (0.0075, 0.0), (0.01, 1e-3)])
def test_a_correct_network_hardly_ever_loses_points(deviation: float, bound: float):
    """0.5 points is what was measured of LeNet (docs/statistics.md); the rule bears twice as much."""
    assert false_fails(deviation, 8_000) <= bound


def test_a_network_that_is_five_points_worse_hardly_ever_gets_all_points():
    assert false_fails(0.005, 4_000, gap=0.05) >= 0.999


def test_more_seeds_make_a_wrong_loss_of_points_rarer():
    draws = np.random.default_rng(0).normal(0.6, 0.015, (8_000, 2, 3))
    first = sum(score(own[0], reference[0]) < 1 for own, reference in draws.tolist()) / 8_000
    assert first > 3 * false_fails(0.015, 8_000)


def test_importing_the_module_loads_no_torch():
    loaded = "import sys, grader.statistics; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, check=True).stdout == b"False\n"
