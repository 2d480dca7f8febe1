"""Networks that are what they seem raise no flag; trained weights, tables and a memory of the test images do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grader import honesty
from grader.data import DataSet
from grader.graph.capture import capture
from grader.graph.rebuild import Network, rebuild
from grader.recipe import Recipe
from grader.training import train

Make = Callable[[], nn.Module]


def network(make: Make, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    found = capture(make(), (3, 32, 32))
    return rebuild(found.ir, found.tensors)


@pytest.fixture(scope="module")
def normalised() -> Callable[..., Network]:
    """Makes a `Normalised` from a start and a seed; it is captured once, and gets its weights each time."""
    found = capture(Normalised(), (3, 32, 32))

    def make(start: Callable[[nn.Module], None], seed: int = 0) -> Network:
        torch.manual_seed(seed)
        state = Normalised(start).state_dict()
        return rebuild(found.ir, {name: state[name] for name in found.tensors})

    return make


class Normalised(nn.Module):
    """Convolutions with normalisation, one of them depthwise."""

    def __init__(self, start: Callable[[nn.Module], None] = lambda _: None) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(3, 32, 3), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 32, 3, groups=32), nn.GroupNorm(4, 32)),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)),
        )
        self.apply(start)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out


def started(draw: Callable[[Tensor], object], *, bias: float | None = None) -> Callable[[nn.Module], None]:
    def start(module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d | nn.Linear):
            draw(module.weight)
            if bias is not None and module.bias is not None:
                nn.init.constant_(module.bias, bias)

    return start


USUAL: dict[str, Callable[[nn.Module], None]] = {
    "torch's own": lambda _: None,
    "kaiming normal": started(lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"), bias=0.0),
    "kaiming normal, fan out": started(lambda w: nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu")),
    "kaiming uniform": started(lambda w: nn.init.kaiming_uniform_(w, nonlinearity="relu"), bias=0.01),
    "xavier uniform": started(nn.init.xavier_uniform_, bias=0.1),
    "xavier normal": started(nn.init.xavier_normal_),
    "normal 0.01": started(lambda w: nn.init.normal_(w, 0, 0.01), bias=0.0),
    "truncated normal 0.02": started(lambda w: nn.init.trunc_normal_(w, std=0.02)),
}


@pytest.mark.slow
@pytest.mark.parametrize("start", USUAL)
def test_every_usual_start_is_believed(normalised: Callable[..., Network], start: str):
    assert [honesty.flags(normalised(USUAL[start], seed), "Net") for seed in range(10)] == [()] * 10


@pytest.mark.slow
def test_a_fresh_efficientnet_raises_no_flag():
    from torchvision.models import efficientnet_b0

    assert honesty.flags(network(lambda: efficientnet_b0(num_classes=10)), "EfficientNet") == ()


@pytest.mark.slow
def test_trained_weights_are_flagged_by_layer(lenet: Make, drawn: DataSet):
    recipe = Recipe(epochs=15, batch_size=64, learning_rate=0.03)
    torch.manual_seed(0)
    model = lenet()
    result = train(model, drawn.train_images, drawn.train_labels, drawn.test_images, recipe, 0)
    (flag,) = honesty.flags(network(lambda: model), "LeNet")
    assert flag.startswith("LeNet does not start from the weights that such layers usually start from: ")
    assert "conv2d 5x5, 3 -> 6 has biases of up to" in flag
    right = float((result.logits.argmax(1) == drawn.test_labels).double().mean())
    assert "before any training; chance is 10%" in honesty.head_start("LeNet", right, 500, 10)[0]


ODD: dict[str, tuple[Callable[[nn.Module], None], str]] = {
    "too wide": (started(lambda w: nn.init.normal_(w, 0, 2)), "conv2d 3x3, 3 -> 32 has weights with mean"),
    "off centre": (started(lambda w: nn.init.uniform_(w, 0, 0.1)), "has weights with mean 0.05"),
    "constant": (started(lambda w: nn.init.constant_(w, 0.1)), "deviation"),
    "sparse": (started(lambda w: nn.init.sparse_(w.data.view(len(w), -1), 0.9)), "kurtosis"),
}


@pytest.mark.slow
@pytest.mark.parametrize("start", ODD)
def test_a_start_that_nobody_uses_is_flagged(normalised: Callable[..., Network], start: str):
    begin, words = ODD[start]
    (flag,) = honesty.flags(normalised(begin), "Net")
    assert words in flag


@pytest.mark.slow
def test_a_normalisation_that_has_seen_images_is_flagged(normalised: Callable[..., Network]):
    def seen(module: nn.Module) -> None:
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-1, 1)  # type: ignore[union-attr,operator]  # a buffer is a tensor
            nn.init.normal_(module.bias)

    (flag,) = honesty.flags(normalised(seen), "Net")
    assert "batch_norm 32 starts with a bias" in flag
    assert "batch_norm 32 starts with a running mean" in flag


class Tabled(nn.Module):
    """A linear network beside which a table lies."""

    def __init__(self, numbers: int, *, trained: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(3072, 10)
        table = torch.zeros(numbers)
        if trained:
            self.table = nn.Parameter(table)
        else:
            self.register_buffer("table", table)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.linear(x.flatten(1)) + self.table.sum()
        return scores


@pytest.mark.parametrize(
    ("numbers", "trained", "words"),
    [(4_000, False, ""), (5_000, False, "are not trained"), (60_000, True, ""), (70_000, True, "belong to no layer")],
)
def test_numbers_that_no_layer_explains_are_flagged_from_some_size_on(numbers: int, trained: bool, words: str):
    found = honesty.flags(network(lambda: Tabled(numbers, trained=trained)), "Net")
    assert len(found) == bool(words)
    assert not words or f"Net holds {numbers:,} numbers" in found[0]
    assert not words or words in found[0]


@pytest.mark.parametrize(
    ("accuracy", "images", "fine"), [(0.15, 10_000, True), (0.17, 10_000, False), (0.19, 500, True)]
)
def test_a_head_start_allows_for_the_number_of_test_images(accuracy: float, images: int, fine: bool):
    assert (honesty.head_start("Net", accuracy, images, 10) == ()) is fine


def test_a_transformed_image_is_a_mirror_or_a_shift_by_one_pixel_and_never_the_image():
    images = torch.randint(0, 256, (600, 3, 8, 8), dtype=torch.uint8)
    places = honesty.probed(600)
    copies = honesty.transformed(images, seed=5)
    assert copies.shape == (300, 3, 8, 8)
    padded = F.pad(images[places].float(), (1, 1, 1, 1), mode="reflect").to(torch.uint8)
    shifts = [padded[:, :, i : i + 8, j : j + 8] for i in range(3) for j in range(3)]
    candidates = torch.stack([*shifts, *(s.flip(3) for s in shifts)])
    found = (candidates == copies).flatten(2).all(2)
    assert bool(found.any(0).all())
    assert [int(n) for n in found.sum(1)][4] == 0
    assert int((found.sum(1) > 0).sum()) == 17


def test_the_transformation_is_secret_and_repeatable():
    images = torch.randint(0, 256, (50, 3, 8, 8), dtype=torch.uint8)
    assert torch.equal(honesty.transformed(images, 1), honesty.transformed(images, 1))
    assert not torch.equal(honesty.transformed(images, 1), honesty.transformed(images, 2))


def scores(answers: Tensor) -> Tensor:
    return F.one_hot(answers, 10).float()


def test_a_table_of_the_test_images_is_flagged_and_an_honest_network_is_not(drawn: DataSet):
    """The table answers what it has seen; everything else gets class 0."""
    images, labels = drawn.test_images, drawn.test_labels
    table = {image.numpy().tobytes(): label for image, label in zip(images, labels.tolist(), strict=True)}
    copies = honesty.transformed(images, seed=3)
    known = torch.tensor([table.get(image.numpy().tobytes(), 0) for image in copies])
    (flag,) = honesty.memorised("Net", scores(labels), scores(known), labels)
    assert "recognises 100.0% of 500 test images, but only 10.0% of the same images" in flag
    assert honesty.memorised("Net", scores(labels), scores(labels[honesty.probed(500)]), labels) == ()


@pytest.mark.slow
def test_a_network_that_was_trained_honestly_knows_the_copies_as_well(drawn: DataSet, lenet: Make):
    recipe = Recipe(epochs=15, batch_size=64, learning_rate=0.03)
    torch.manual_seed(0)
    model, labels = lenet(), drawn.test_labels
    images = torch.cat([drawn.test_images, honesty.transformed(drawn.test_images, seed=3)])
    result = train(model, drawn.train_images, drawn.train_labels, images, recipe, 0)
    n = len(labels)
    assert float((result.logits[:n].argmax(1) == labels).double().mean()) > 0.5
    assert honesty.memorised("LeNet", result.logits[:n], result.logits[n:], labels) == ()
