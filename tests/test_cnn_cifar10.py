"""The checks of cnn-cifar10, called as pytest calls them: the reference passes, wrong answers fail for their reason."""

import importlib.util
import inspect
import math
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from grader import assignment
from grader.graph.capture import capture
from grader.graph.rebuild import rebuild
from grader.recipe import Recipe
from grader.untrusted.answers import run_layer
from grader.untrusted.building import NotAnAnswer, build_model

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "reference" / "cnn-cifar10"
PUBLIC = ROOT / "assignments" / "cnn-cifar10" / "checks"
HIDDEN = REFERENCE / "checks"
EXPECTED = load_file(ROOT / "assignments" / "cnn-cifar10" / "expected.safetensors")
CNN = assignment.load(ROOT / "assignments" / "cnn-cifar10")
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
        self.networks = {}

    def network(self, name):
        if name not in self.networks:
            torch.manual_seed(0)
            captured = capture(build_model(name, self.answers[name], 10, 3), (3, 32, 32))
            self.networks[name] = rebuild(captured.ir, captured.tensors)
        return self.networks[name]

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


@dataclass
class Graded:
    """What a question's checks gave: messages of those that fail, fractions of partial credit, all notes."""

    failed: dict[str, str] = field(default_factory=dict)
    awarded: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def judge(question, fixtures):
    """Run the question's checks for which all fixtures are given, as the plugin does."""
    graded = Graded()
    for name, check in checks(question).items():

        def award(fraction, message, name=name):
            graded.awarded[name], graded.notes[name] = fraction, message

        given = fixtures | {"award": award}
        wanted = list(inspect.signature(check).parameters)
        if set(wanted) <= set(given):
            try:
                check(**{p: given[p] for p in wanted})
            except AssertionError as e:
                graded.failed[name] = str(e)
    return graded


def grade(question, seed=7, **answers):
    """The checks that fail, with their messages, for the reference's answers replaced by `answers`."""
    reference = solutions(question)
    student = Answers(reference.answers | answers)
    fixtures = {"student": student, "reference": reference, "expected": EXPECTED, "seed": seed}
    return judge(question, fixtures).failed


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
        "The output of conv_stride has the shape (20, 33, 48, 98), but (20, 33, 24, 49) was wanted. Asked for: "
        "window 3 x 3, stride 2, padding 0, dilation 1. "
        "The wanted size is height: floor((50 + 2*0 - 1*(3 - 1) - 1) / 2 + 1) = 24, "
        "width: floor((100 + 2*0 - 1*(3 - 1) - 1) / 2 + 1) = 49. This size may come from stride 1."
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


# --- LeNet ------------------------------------------------------------------------------------------------------------


class LeNet(nn.Module):
    """LeNet in which everything that students vary can be varied."""

    def __init__(self, *, channels=(6, 16), padding=0, pool=nn.MaxPool2d, act=nn.ReLU, bias=True, classes=10, tail=()):
        super().__init__()
        a, b = channels
        side = (32 + 2 * padding - 4) // 2
        flat = b * ((side + 2 * padding - 4) // 2) ** 2
        self.net = nn.Sequential(
            *(nn.Conv2d(3, a, 5, padding=padding, bias=bias), act(), pool(2)),
            *(nn.Conv2d(a, b, 5, padding=padding, bias=bias), act(), pool(2), nn.Flatten()),
            *(nn.Linear(flat, 120), act(), nn.Linear(120, 84), act(), nn.Linear(84, classes), *tail),
        )

    def forward(self, x):
        return self.net(x)


class AllConvolutions(nn.Module):
    """C5 as a convolution, as in the paper of 1998, and functions for the rest."""

    def __init__(self):
        super().__init__()
        self.c1, self.c3, self.c5 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5), nn.Conv2d(16, 120, 5)
        self.f6, self.out = nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(self.c1(x).relu(), 2)
        x = F.max_pool2d(torch.clamp(self.c3(x), min=0), 2)
        x = F.relu_(self.c5(x)).view(-1, 120)
        return self.out(torch.relu(self.f6(x)))


class ReluAfterPool(LeNet):
    def __init__(self):
        super().__init__()
        n = self.net
        self.net = nn.Sequential(n[0], n[2], n[1], n[3], n[5], n[4], *n[6:])


class FixedBatch(LeNet):
    def forward(self, x):
        return self.net[7:](self.net[:6](x).view(64, 400))


@pytest.mark.slow
@pytest.mark.parametrize("pool", [nn.MaxPool2d, nn.AvgPool2d])
def test_lenet_passes_with_either_pooling(pool):
    assert grade("q6_lenet", LeNet=partial(LeNet, pool=pool)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("network", [AllConvolutions, ReluAfterPool, FixedBatch, None])
def test_lenet_passes_in_every_spelling(network):
    assert grade("q6_lenet", **({"LeNet": network} if network else {})) == {}


WRONG_LENETS = [
    ({"channels": (16, 32)}, {"convolutions", "linears", "parameters"}),
    ({"padding": 2}, {"poolings", "linears", "parameters"}),
    ({"act": nn.Tanh}, {"relu"}),
    ({"act": nn.Identity}, {"relu"}),
    ({"bias": False}, {"parameters"}),
    ({"classes": 100}, {"output", "linears", "parameters"}),
    ({"tail": [nn.ReLU()]}, {"relu"}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("change", "failing"), WRONG_LENETS, ids=lambda v: " ".join(sorted(v)))
def test_a_wrong_lenet_fails_where_it_is_wrong(change, failing):
    assert set(grade("q6_lenet", LeNet=partial(LeNet, **change))) == {f"test_lenet_{name}" for name in failing}


@pytest.mark.slow
def test_a_wrong_lenet_is_told_what_it_has_and_what_is_wanted():
    failed = grade("q6_lenet", LeNet=partial(LeNet, channels=(16, 32)))
    assert failed["test_lenet_convolutions"] == (
        "LeNet has 2 convolutions (5 x 5, 3 to 16 channels; 5 x 5, 16 to 32 channels); wanted are two: "
        "5 x 5, 3 to 6 channels; 5 x 5, 6 to 16 channels. Give nn.Conv2d these numbers."
    )
    assert "3 fully connected layers (800 to 120; 120 to 84; 84 to 10)" in failed["test_lenet_linears"]


@pytest.mark.slow
@pytest.mark.parametrize(("head", "name"), [(nn.Softmax(1), "softmax"), (nn.LogSoftmax(1), "log_softmax")])
def test_a_softmax_at_the_end_is_spoken_of_and_costs_nothing(head, name):
    student = Answers({"LeNet": partial(LeNet, tail=[head])})
    graded = judge("q6_lenet", {"student": student, "seed": 1})
    assert graded.failed == {}
    assert graded.awarded == {"test_lenet_output": 1.0}
    assert f"LeNet ends with {name}." in graded.notes["test_lenet_output"]


class AcrossImages(LeNet):
    def forward(self, x):
        return self.net(x - x.mean(0, keepdim=True))


class AlwaysDropout(LeNet):
    def forward(self, x):
        return self.net(F.dropout(x, 0.5))


@pytest.mark.slow
@pytest.mark.parametrize("network", [AcrossImages, AlwaysDropout])
def test_scores_that_depend_on_other_images_or_on_chance_fail(network):
    assert set(grade("q6_lenet", LeNet=network)) == {"test_lenet_batches"}


# --- EfficientNet -----------------------------------------------------------------------------------------------------


class Gate(nn.Module):
    """Squeeze-and-excitation by linear layers and a mean."""

    def __init__(self, channels):
        super().__init__()
        self.down, self.up = nn.Linear(channels, 2), nn.Linear(2, channels)

    def forward(self, x):
        s = self.up(F.silu(self.down(x.mean((2, 3)))))
        return torch.sigmoid(s)[:, :, None, None] * x


class Block(nn.Module):
    def __init__(self, act, norm, groups, gate, skip):
        super().__init__()
        self.skip = skip
        self.layers = nn.Sequential(
            *(nn.Conv2d(8, 16, 1), norm(16), act()),
            *(nn.Conv2d(16, 16, 3, padding=1, groups=groups), norm(16), act()),
            *(Gate(16) if gate else nn.Identity(), nn.Conv2d(16, 8, 1), norm(8)),
        )

    def forward(self, x):
        return x + self.layers(x) if self.skip else self.layers(x)


class SmallEfficientNet(nn.Module):
    """As for 32 x 32: stem with stride 1, seven narrow blocks."""

    def __init__(self, *, blocks=7, act=nn.SiLU, norm=nn.BatchNorm2d, groups=16, gate=True, skip=True, classes=10):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), norm(8), act(), nn.AvgPool2d(4))
        self.blocks = nn.Sequential(*(Block(act, norm, groups, gate, skip) for _ in range(blocks)))
        self.head = nn.Linear(8, classes)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


def grade_efficientnet(network, seed=3):
    return judge("q7_efficientnet", {"student": Answers({"EfficientNet": network}), "seed": seed})


def torchvisions(**options):
    from torchvision.models import efficientnet_b0

    return efficientnet_b0(num_classes=10, **options)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["reference", torchvisions, SmallEfficientNet])
def test_an_efficientnet_gets_every_point_whatever_its_size(network):
    graded = grade_efficientnet(
        solutions("q7_efficientnet").answers["EfficientNet"] if network == "reference" else network
    )
    assert graded.failed == {}
    assert set(graded.awarded) == {"test_efficientnet_output"}
    assert "B0 with ten classes usually has 4,020,358." in graded.notes["test_efficientnet_output"]
    if network != SmallEfficientNet:
        assert "EfficientNet has 4,020,358 parameters" in graded.notes["test_efficientnet_output"]


WITHOUT = [
    ({"act": nn.ReLU}, {"silu"}, {}),
    ({"act": nn.Hardswish}, {"silu"}, {}),
    ({"gate": False}, {"squeeze_excitation"}, {}),
    ({"norm": nn.Identity}, {"normalisation"}, {}),
    ({"norm": partial(nn.GroupNorm, 2)}, {"normalisation"}, {}),
    ({"groups": 1}, {"depthwise", "inverted_residuals"}, {}),
    ({"skip": False}, set(), {"inverted_residuals": 0.5}),
    ({"blocks": 3}, set(), {"depthwise": 3 / 7, "inverted_residuals": 3 / 7, "squeeze_excitation": 3 / 7}),
    ({"classes": 1000}, {"output"}, {}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("change", "failing", "shares"), WITHOUT, ids=lambda v: " ".join(sorted(v)))
def test_a_part_that_is_missing_costs_its_points_and_no_others(change, failing, shares):
    graded = grade_efficientnet(partial(SmallEfficientNet, **change))
    assert set(graded.failed) == {f"test_efficientnet_{name}" for name in failing}
    graded.awarded.pop("test_efficientnet_output", None)
    assert graded.awarded == {f"test_efficientnet_{name}": share for name, share in shares.items()}


@pytest.mark.slow
def test_a_lenet_is_no_efficientnet():
    parts = {"depthwise", "inverted_residuals", "squeeze_excitation", "silu", "normalisation"}
    assert set(grade_efficientnet(LeNet).failed) == {f"test_efficientnet_{part}" for part in parts}


# --- after training ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    mean_accuracy: float
    initial_accuracy: float = 0.1
    test_images: int = 10_000


@dataclass(frozen=True)
class Trained:
    student: Result
    reference: Result
    recipe: Recipe
    note: str = ""


def after_training(question, own, recipe="cpu-full", **initial):
    """The checks that look at a training which reached `own`, where the reference reached 60 %."""
    name, chosen = CNN.recipe(question, *recipe.split("-"))
    assert name == recipe
    return judge(question, {"trained": Trained(Result(own, **initial), Result(0.6), chosen)})


@pytest.mark.parametrize(("own", "share"), [(0.7, 1), (0.571, 1), (0.51, 0.5), (0.44, 0)])
def test_lenets_accuracy_is_scored_against_the_references(own, share):
    graded = after_training("q6_lenet", own)
    assert graded.failed == {}
    assert graded.awarded["test_lenet_accuracy"] == pytest.approx(share)
    assert (
        f"LeNet reaches {own:.1%}; our own, trained alike on the same images, 60.0%."
        in graded.notes["test_lenet_accuracy"]
    )


@pytest.mark.parametrize("question", ["q6_lenet", "q7_efficientnet"])
def test_a_mean_of_several_seeds_is_said(question):
    _, recipe = CNN.recipe(question, "cuda", "full")
    trained = Trained(Result(0.57), Result(0.6), recipe, note="These are means.")
    graded = judge(question, {"trained": trained})
    (note,) = graded.notes.values()
    assert "on the same images, 60.0%. These are means. All points are given from 57.0% on" in note


def test_efficientnets_accuracy_is_scored_on_a_gpu_and_only_shown_on_a_cpu():
    assert after_training("q7_efficientnet", 0.3, "cuda-full").awarded == {"test_efficientnet_accuracy": 0}
    shown = after_training("q7_efficientnet", 0.3)
    assert shown.awarded == {"test_efficientnet_accuracy": 1}
    assert "shown, not graded: 30.0%, and 60.0% for our own" in shown.notes["test_efficientnet_accuracy"]


@pytest.mark.parametrize(
    ("images", "initial", "passes"), [(10_000, 0.155, True), (10_000, 0.17, False), (500, 0.19, True)]
)
def test_weights_that_know_the_images_before_training_fail(images, initial, passes):
    graded = after_training("q6_lenet", 0.6, initial_accuracy=initial, test_images=images)
    assert (graded.failed == {}) is passes
    assert passes or "recognises 17.0% of 10000 test images" in graded.failed["test_lenet_untrained"]


@pytest.mark.parametrize(
    ("last", "passes"), [([1.2, 1.1, 1.2, 1.0, 1.1], True), ([1.2] * 5, False), ([1.0, 1.0, 1.0, 1.0, math.nan], False)]
)
def test_the_loss_on_one_batch_must_come_to_half_of_that_of_guessing(last, passes):
    """Whatever it was at first: some initial weights give three times the loss of guessing."""
    failed = judge("q7_efficientnet", {"one_batch": [5.9, 2.4, *last]}).failed
    assert (failed == {}) is passes
    assert passes or "loss has gone from 5.90 to" in failed["test_efficientnet_one_batch"]
