import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from grader.compare import (
    Mismatch,
    conv2d_formula,
    conv2d_shape,
    likely,
    pool2d_formula,
    pool2d_shape,
    same,
    same_shape,
    window,
)

side = st.tuples(st.integers(1, 12), st.integers(1, 12))
small = st.tuples(st.integers(1, 4), st.integers(1, 4))
padding = st.tuples(st.integers(0, 3), st.integers(0, 3))


def message(found, expected, **options):
    with pytest.raises(Mismatch) as caught:
        same(found, expected, "the output", **options)
    return str(caught.value)


def test_equal_and_close_tensors_pass():
    x = torch.linspace(-1, 1, 12).reshape(3, 4)
    same(x, x.clone(), "the output")
    same(x + 1e-6, x, "the output")
    same(torch.tensor([torch.inf, torch.nan]), torch.tensor([torch.inf, torch.nan]), "the output")


def test_a_shape_message_gives_both_shapes_and_the_formula():
    formula = conv2d_formula((50, 100), (3, 5), (2, 1), (4, 2), 1)
    text = message(torch.zeros(2, 3), torch.zeros(2, 4), formula=formula)
    assert text == (
        "the output has the shape (2, 3), but (2, 4) was wanted. The wanted size is "
        "height: floor((50 + 2*4 - 1*(3 - 1) - 1) / 2 + 1) = 28, "
        "width: floor((100 + 2*2 - 1*(5 - 1) - 1) / 1 + 1) = 100. "
        "Print the shapes of the input and of the output, and compare the layer's settings with those asked for."
    )


def test_a_broadcastable_shape_is_still_a_wrong_shape():
    assert "(1, 4)" in message(torch.zeros(1, 4), torch.zeros(3, 4))


def test_a_wrong_dtype_is_named():
    text = message(torch.zeros(2, dtype=torch.float64), torch.zeros(2))
    assert "torch.float64, but torch.float32" in text


def test_nan_and_infinities_are_counted_and_placed():
    found = torch.zeros(2, 3)
    found[1, 0], found[1, 2] = torch.nan, torch.inf
    assert "1 NaN and 1 infinite of 6 elements, the first at (1, 0)" in message(found, torch.zeros(2, 3))


def test_a_difference_is_counted_measured_and_placed_without_the_wanted_values():
    expected = torch.full((2, 3), 7.25)
    found = expected.clone()
    found[0, 1] += 0.5
    found[1, 2] -= 2
    text = message(found, expected)
    assert text == (
        "the output differs in 2 of 6 elements; the largest difference is 2, at index (1, 2); "
        "1e-05 + 0.0001 x |wanted value| was allowed. Work this element out by hand from its input, and compare."
    )
    assert "7.25" not in text


def test_a_finite_answer_where_infinity_is_wanted_differs():
    assert "1 of 2 elements" in message(torch.zeros(2), torch.tensor([0.0, torch.inf]))


def test_the_largest_difference_is_looked_for_among_the_wrong_elements():
    found, expected = torch.tensor([1000.09, 0.01]), torch.tensor([1000.0, 0.0])
    assert "0.01, at index (1,)" in message(found, expected)


@pytest.mark.parametrize(
    ("found", "hint"),
    [
        ((3, 4), "The first dimension, which counts the images, is lacking"),
        ((3, 2, 4), "their order is not: look for a transpose"),
        ((6, 4), "The number of elements is right: look for a reshape"),
    ],
)
def test_a_wrong_shape_says_what_it_shares_with_the_wanted_one(found, hint):
    assert hint in message(torch.zeros(found), torch.zeros(2, 3, 4))


def test_a_known_mistake_is_named_and_what_was_asked_for_repeated():
    x = torch.tensor([-1.0, 2.0])
    text = message(x.abs(), x.clamp(min=0), asked="ReLU", mistakes={"the absolute value": x.abs(), "nothing": x})
    assert "Asked for: ReLU. These are the numbers that the absolute value gives." in text


def test_differences_at_the_border_alone_point_to_the_padding():
    found = torch.zeros(2, 5, 5)
    found[:, 0, :] = 1
    assert "All of them lie at the border of the planes: look at the padding" in message(found, torch.zeros(2, 5, 5))


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ((48, 98), "stride 1"),
        ((26, 51), "padding 2"),
        ((25, 50), "padding 1"),
        ((23, 48), "dilation 2"),
        ((7, 7), ""),
    ],
)
def test_a_size_is_traced_to_the_setting_that_gives_it(found, why):
    sentence = likely(found, (50, 100), kernel=3, stride=2)
    assert why in sentence
    assert bool(sentence) == bool(why)


def test_rounding_up_is_recognised():
    sentence = likely((2, 3), 4, kernel=(3, 2), stride=(2, 1), pool=True)
    assert sentence == "This size may come from one of these: stride 1; window 2; rounding up (ceil_mode)."


def test_of_several_windows_the_likelier_one_is_named():
    """nn.MaxPool2d(2) where a window of 3 was asked for: a window of 1 gives the same size, but nobody pools so."""
    assert "window 2" in likely((2, 2), 4, kernel=3, stride=2, pool=True)


def test_the_settings_of_a_window_are_spelt_out():
    assert window((3, 5), (2, 1), (4, 2)) == "window 3 x 5, stride (2, 1), padding (4, 2), dilation 1"


def test_a_hint_takes_the_place_of_the_general_advice():
    with pytest.raises(Mismatch, match=r"was wanted\. Asked for: a row\. Turn it\.$"):
        same_shape(torch.zeros(3, 1), (1, 3), "the output", asked="a row", hint="Turn it.")


def test_the_formula_of_a_pooling_names_its_numbers():
    assert pool2d_formula(4, (3, 2), (2, 1)) == (
        "height: floor((4 + 2*0 - 3) / 2 + 1) = 1, width: floor((4 + 2*0 - 2) / 1 + 1) = 3"
    )


def test_a_window_larger_than_its_input_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        conv2d_shape((4, 4), 3, dilation=2)


@pytest.mark.slow
@settings(deadline=None, derandomize=True)
@given(side, small, small, padding, small)
def test_the_shape_of_a_convolution_is_torchs(input_hw, kernel, stride, padding, dilation):
    assume(all(i + 2 * p >= d * (k - 1) + 1 for i, k, p, d in zip(input_hw, kernel, padding, dilation, strict=True)))
    out = F.conv2d(torch.zeros(1, 1, *input_hw), torch.zeros(1, 1, *kernel), None, stride, padding, dilation)
    assert conv2d_shape(input_hw, kernel, stride, padding, dilation) == out.shape[2:]
    text = conv2d_formula(input_hw, kernel, stride, padding, dilation)
    assert worked_out(text) == tuple(out.shape[2:])


@pytest.mark.slow
@settings(deadline=None, derandomize=True)
@given(side, small, st.none() | small, padding)
def test_the_shape_of_a_pooling_is_torchs(input_hw, kernel, stride, padding):
    assume(all(2 * p <= k for k, p in zip(kernel, padding, strict=True)))
    assume(all(i + 2 * p >= k for i, k, p in zip(input_hw, kernel, padding, strict=True)))
    for pool in (F.max_pool2d, F.avg_pool2d):
        out = pool(torch.zeros(1, 1, *input_hw), kernel, stride, padding)
        assert pool2d_shape(input_hw, kernel, stride, padding) == out.shape[2:]
    assert worked_out(pool2d_formula(input_hw, kernel, stride, padding)) == tuple(out.shape[2:])


def worked_out(formula):
    """Compute both sides of a formula's text again; they must agree with the result it prints."""
    results = []
    for part in formula.split(", "):
        quotient, right = part.split(": floor(")[1].split(" + 1) = ")
        numerator, denominator = quotient.rsplit(" / ", 1)
        results.append(arithmetic(numerator) // int(denominator) + 1)
        assert results[-1] == int(right)
    return tuple(results)


def arithmetic(text):
    """Work out sums of terms such as "(50 + 2*4 - 1*(3 - 1) - 1)"."""
    return eval(text, {"__builtins__": {}})  # noqa: S307  # our own formula's text, digits and operators only


def test_rows_and_columns_exchanged_in_every_setting_are_recognised():
    assert likely((3, 1), 4, kernel=(3, 2), stride=(2, 1), pool=True) == (
        "This size may come from rows and columns exchanged."
    )
    with pytest.raises(Mismatch, match="the first number of a window, stride, padding or dilation is for rows"):
        same(torch.zeros(2, 3, 3, 1), torch.zeros(2, 3, 1, 3), "The output")


def test_planes_of_another_size_are_no_sign_of_a_reshape():
    with pytest.raises(Mismatch, match="compare the layer's settings"):  # 12 x 3 is as many as 6 x 6
        same(torch.zeros(1, 3, 12, 3), torch.zeros(1, 3, 6, 6), "The output")


def test_one_number_for_both_sides_is_recognised():
    sentence = likely((26, 92), (50, 100), (3, 5), (2, 1), (4, 2), (3, 1))
    assert "dilation 3" in sentence
