"""The checks of cnn-cifar10, called as pytest calls them: the reference passes, wrong answers fail for their reason."""

import importlib.util
import inspect
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from grader.answers import NotAnAnswer, run_layer

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "reference" / "cnn-cifar10"
PUBLIC = ROOT / "assignments" / "cnn-cifar10" / "checks"
HIDDEN = REFERENCE / "checks"
EXPECTED = load_file(ROOT / "assignments" / "cnn-cifar10" / "expected.safetensors")
LAYER_QUESTIONS = ["q1_conv2d", "q2_relu", "q3_maxpool", "q4_avgpool", "q5_linear"]


@pytest.fixture(scope="module", autouse=True)
def _requires_marker(pytestconfig):
    """The mark that the checks carry; the plugin registers it when it runs them."""
    pytestconfig.addinivalue_line("markers", "requires(check): skipped unless that check of the question passed")


def module(path):
    """A Python file as a module of its own; nothing stays in sys.modules."""
    spec = importlib.util.spec_from_file_location(f"cnn_cifar10_{path.parent.name}_{path.stem}", path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


class Answers:
    """A student or a reference whose layers run here, by the same code as in the worker."""

    def __init__(self, answers):
        self.answers = answers

    def run(self, name, *inputs, weights=None):
        try:
            copies = [x.clone() for x in inputs]  # as sent to a worker: what is done in place stays there
            return run_layer(name, self.answers[name], copies, weights).output
        except NotAnAnswer as e:  # the real fixture ends the check the same way
            raise AssertionError(str(e)) from e


def solutions(question):
    return Answers(vars(module(REFERENCE / f"{question}.py")))


def checks(question):
    """Every check of a question, public and hidden, by name."""
    found = {}
    for folder in (PUBLIC, HIDDEN):
        found |= vars(module(folder / f"test_{question}.py"))
    return {name: value for name, value in found.items() if name.startswith("test_")}


def grade(question, seed=7, **answers):
    """The names of the checks that fail, with their messages, for the reference's answers replaced by `answers`."""
    reference = solutions(question)
    student = Answers(reference.answers | answers)
    fixtures = {"student": student, "reference": reference, "expected": EXPECTED, "seed": seed}
    failed = {}
    for name, check in checks(question).items():
        try:
            check(**{p: fixtures[p] for p in inspect.signature(check).parameters})
        except AssertionError as e:
            failed[name] = str(e)
    return failed


# --- right answers, in every natural way ------------------------------------------------------------------------------


@pytest.mark.parametrize("question", LAYER_QUESTIONS)
@pytest.mark.parametrize("seed", [0, 2**63 - 1])
def test_the_reference_passes_every_check(question, seed):
    assert grade(question, seed) == {}


class Wrapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(16, 33, 3, stride=2)

    def forward(self, x):
        return self.conv(x)


def padded_by_hand(x, w, b):
    return F.conv2d(F.pad(x, (2, 2, 4, 4)), w, b, stride=(2, 1))


def unfolded(x, weight, bias):
    """A convolution written out as a matrix product."""
    columns = F.unfold(x, (3, 5), dilation=(3, 1), padding=(4, 2), stride=(2, 1))
    height = (x.shape[2] + 8 - 7) // 2 + 1
    return (weight.flatten(1) @ columns + bias[:, None]).reshape(len(x), 33, height, x.shape[3])


def loops(x, reduce):
    """Pooling with a window of 3 x 2 and a stride of (2, 1), in loops."""
    rows = [
        torch.stack([reduce(x[..., i : i + 3, j : j + 2]) for j in range(x.shape[3] - 1)], dim=-1)
        for i in range(0, x.shape[2] - 2, 2)
    ]
    return torch.stack(rows, dim=-2)


NATURAL = [
    ("q1_conv2d", "conv_stride", Wrapped),
    ("q1_conv2d", "conv_stride", lambda: nn.Conv2d(16, 33, 3, stride=2)),
    ("q1_conv2d", "conv_stride", lambda x: nn.Conv2d(16, 33, (3, 3), (2, 2))(x)),
    ("q1_conv2d", "conv_stride", nn.Sequential(nn.Conv2d(16, 33, 3, stride=2))),
    ("q1_conv2d", "conv_padding", padded_by_hand),
    ("q1_conv2d", "conv_dilation", unfolded),
    ("q2_relu", "relu", nn.ReLU),
    ("q2_relu", "relu", nn.ReLU(inplace=True)),
    ("q2_relu", "relu", F.relu),
    ("q2_relu", "relu", lambda x: (x + x.abs()) / 2),
    ("q2_relu", "relu", lambda x: x * (x > 0)),
    ("q2_relu", "relu", lambda x: torch.max(torch.zeros(1), x)),
    ("q3_maxpool", "max_pool_square", partial(F.max_pool2d, kernel_size=3, stride=2)),
    ("q3_maxpool", "max_pool_square", nn.MaxPool2d(3, stride=2, return_indices=True)),
    ("q3_maxpool", "max_pool_rectangle", lambda x: loops(x, lambda w: w.amax((-2, -1)))),
    ("q4_avgpool", "avg_pool_square", nn.AvgPool2d(3, 2, count_include_pad=False)),
    ("q4_avgpool", "avg_pool_rectangle", lambda x: loops(x, lambda w: w.mean((-2, -1)))),
    ("q5_linear", "linear", lambda x, w, b: x @ w.T + b),
    ("q5_linear", "linear", lambda: nn.Linear(20, 30)),
]


@pytest.mark.parametrize(("question", "name", "answer"), NATURAL, ids=lambda v: getattr(v, "__name__", str(v))[:24])
def test_a_right_layer_passes_however_it_is_written(question, name, answer):
    assert grade(question, **{name: answer}) == {}


# --- wrong answers ----------------------------------------------------------------------------------------------------


def test_a_wrong_stride_is_explained_by_the_formula():
    failed = grade("q1_conv2d", conv_stride=nn.Conv2d(16, 33, 3))
    assert sorted(failed) == ["test_stride_other_inputs", "test_stride_shape", "test_stride_values"]
    assert failed["test_stride_shape"] == (
        "The output of conv_stride has the shape (20, 33, 48, 98), but (20, 33, 24, 49) was wanted. The wanted size is "
        "height: floor((50 + 2*0 - 1*(3 - 1) - 1) / 2 + 1) = 24, "
        "width: floor((100 + 2*0 - 1*(3 - 1) - 1) / 2 + 1) = 49."
    )


def test_a_wrong_window_is_named():
    failed = grade("q1_conv2d", conv_padding=nn.Conv2d(16, 33, 3, (2, 1), (4, 2)))
    assert "weight has shape (33, 16, 3, 3)" in failed["test_padding_shape"]


def test_padding_with_other_numbers_than_zero_has_the_right_shape_and_the_wrong_values():
    layer = nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2), padding_mode="replicate")
    assert sorted(grade("q1_conv2d", conv_padding=layer)) == ["test_padding_other_inputs", "test_padding_values"]


def test_a_layer_without_bias_fails():
    failed = grade("q1_conv2d", conv_stride=nn.Conv2d(16, 33, 3, stride=2, bias=False))
    assert "has no bias" in failed["test_stride_values"]


ALMOST_RELU = [
    (nn.LeakyReLU(), {"test_relu_values", "test_relu_edges", "test_relu_other_shapes"}),
    (nn.ReLU6(), {"test_relu_edges", "test_relu_other_shapes"}),
    (torch.abs, {"test_relu_values", "test_relu_edges", "test_relu_other_shapes"}),
    (nn.GELU(), {"test_relu_values", "test_relu_edges", "test_relu_other_shapes"}),
    (lambda x: x[x > 0], {"test_relu_shape", "test_relu_values", "test_relu_edges", "test_relu_other_shapes"}),
    (lambda x: F.relu(x).double(), {"test_relu_values", "test_relu_edges", "test_relu_other_shapes"}),
]


@pytest.mark.parametrize(("layer", "failing"), ALMOST_RELU)
def test_an_almost_right_relu_fails_where_it_is_wrong(layer, failing):
    assert set(grade("q2_relu", relu=layer)) == failing


def test_a_maximum_that_starts_from_zero_fails_on_negative_numbers_only_where_they_are_asked():
    def from_zero(x):
        return F.max_pool2d(x, 3, 2).clamp(min=0)

    assert set(grade("q3_maxpool", max_pool_square=from_zero)) == {"test_max_square_negative"}


def test_rounding_up_is_a_wrong_shape_on_the_assignments_input_only():
    failed = grade("q3_maxpool", max_pool_square=nn.MaxPool2d(3, stride=2, ceil_mode=True))
    assert set(failed) == {"test_max_square_shape", "test_max_square_values", "test_max_square_negative"}
    assert "(2, 3, 2, 2), but (2, 3, 1, 1)" in failed["test_max_square_shape"]
    assert "floor((4 + 2*0 - 3) / 2 + 1) = 1" in failed["test_max_square_shape"]


def test_a_turned_rectangle_fails():
    failed = grade("q4_avgpool", avg_pool_rectangle=nn.AvgPool2d((2, 3), stride=(1, 2)))
    assert "(2, 3, 3, 1), but (2, 3, 1, 3)" in failed["test_avg_rectangle_shape"]


def test_a_wrong_divisor_fails_where_equal_numbers_are_averaged():
    failed = grade("q4_avgpool", avg_pool_square=nn.AvgPool2d(3, stride=2, divisor_override=8))
    assert "test_avg_square_constant" in failed
    assert "test_avg_square_shape" not in failed


def test_maximum_for_average_fails():
    assert set(grade("q4_avgpool", avg_pool_square=nn.MaxPool2d(3, 2))) == {
        "test_avg_square_values",
        "test_avg_square_other_inputs",
    }


def test_a_linear_layer_that_forgets_its_bias_fails():
    failed = grade("q5_linear", linear=lambda x, weight, bias: x @ weight.T + 0 * bias)
    assert set(failed) == {"test_linear_values", "test_linear_batch_sizes"}


def test_a_result_in_place_of_a_layer_is_explained():
    failed = grade("q5_linear", linear=torch.zeros(2, 30))
    assert "linear is a tensor, a result" in failed["test_linear_shape"]
