from __future__ import annotations

import ast
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grader import training
from grader.data import DataSet
from grader.recipe import Recipe
from grader.training import Diverged, Training, overfit_batch, recent, schedule, train
from grader.training.descent import Descent
from grader.training.pictures import pictures_of

RECIPE = Recipe(epochs=2, batch_size=64, learning_rate=0.03)
PLAIN = replace(RECIPE, flip=False, shift=0)
Make = Callable[[], nn.Module]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def run(model: nn.Module, data: DataSet, recipe: Recipe = RECIPE, **options: object) -> Training:
    return train(model, data.train_images, data.train_labels, data.test_images, recipe, 0, **options)


def seeded(make: Make, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return make()


def small() -> nn.Module:
    return nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Dropout(0.1), nn.Linear(48, 10))


class Watched(nn.Module):
    """Notes every batch that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = small()
        self.seen: list[tuple[bool, Tensor]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append((self.training, x))
        return self.inner(x)


@pytest.mark.slow
def test_a_lenet_learns_the_drawn_shapes(drawn: DataSet, lenet: Make):
    result = run(seeded(lenet), drawn, replace(RECIPE, epochs=15))
    before, after = (
        (scores.argmax(1) == drawn.test_labels).float().mean() for scores in (result.initial_logits, result.logits)
    )
    assert before < 0.2
    assert after > 0.5
    assert len(result.curve) == 15
    assert result.curve[-1][0] < result.curve[0][0]
    assert result.logits.shape == (500, 10)
    assert 0 < result.cpu_seconds < 60


def test_equal_seeds_give_equal_bits_and_other_seeds_do_not(drawn: DataSet):
    runs = [run(seeded(small), drawn) for _ in range(2)]
    other = train(seeded(small), drawn.train_images, drawn.train_labels, drawn.test_images, RECIPE, seed=1)
    assert torch.equal(runs[0].logits, runs[1].logits)
    assert runs[0].curve == runs[1].curve
    assert not torch.equal(runs[0].logits, other.logits)


def test_training_leaves_the_callers_random_state_alone(drawn: DataSet):
    model = seeded(small)
    state = torch.get_rng_state()
    run(model, drawn)
    overfit_batch(model, drawn.train_images[:8], drawn.train_labels[:8], steps=1)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_without_augmentation_the_loop_is_the_plain_one(drawn: DataSet, optimizer: str):
    """The same batches, scaled, scheduled and stepped by hand, give the same network."""
    recipe = replace(PLAIN, optimizer=optimizer, learning_rate=0.01, label_smoothing=0.1)
    model, twin = (seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))) for _ in range(2))
    run(model, drawn, recipe, contiguous=True)
    values = drawn.train_images.float()
    images = (values - values.mean()) / values.std(correction=0)
    if optimizer == "sgd":
        stepper = torch.optim.SGD(twin.parameters(), momentum=0.9, weight_decay=5e-4, nesterov=True)
    else:
        stepper = torch.optim.AdamW(twin.parameters(), weight_decay=5e-4)
    generator = torch.Generator().manual_seed(0)
    sides = torch.randint(2, (1000,), generator=generator)
    draws = torch.cat([schedule.draws(sides, epoch, 64, recipe, generator) for epoch in range(2)])
    for step, (which, _, _) in enumerate(draws):
        stepper.param_groups[0]["lr"] = 0.01 * min((step + 1) / 6, (30 - step) / 24)
        stepper.zero_grad()
        F.cross_entropy(twin(images[which]), drawn.train_labels[which], label_smoothing=0.1).backward()
        stepper.step()
    torch.testing.assert_close(model[1].weight, twin[1].weight, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("momentum", [0.9, 0.0])
def test_a_step_down_is_torchs_sgd_to_the_bit(momentum: float):
    recipe = replace(RECIPE, momentum=momentum)
    mine, theirs = ([nn.Parameter(torch.ones(n)) for n in (3, 2, 5)] for _ in range(2))
    options = {"lr": 0.03, "momentum": momentum, "weight_decay": 5e-4, "nesterov": momentum > 0, "fused": True}
    steppers = Descent(mine, recipe), torch.optim.SGD(theirs, **options)
    for _ in range(3):
        for p, q in zip(mine[:2], theirs[:2], strict=True):  # the third has no part in the loss
            p.grad = torch.randn_like(p)
            q.grad = p.grad.clone()
        for stepper in steppers:
            stepper.step()
    assert all(map(torch.equal, mine, theirs))
    assert mine[2].tolist() == [1.0] * 5


def test_an_augmented_image_is_a_reflected_shift_and_perhaps_a_mirror(drawn: DataSet):
    images, labels = drawn.train_images[:6], drawn.train_labels[:6]
    pictures = pictures_of(images, labels, RECIPE, "cpu", contiguous=True)
    draw = torch.tensor([[5, 0, 3], [4, 2, 1], [0, 2, 3 + 5]])
    batch, classes = pictures.batch(draw)
    padded = F.pad(images.float(), (2, 2, 2, 2), mode="reflect")
    expected = [padded[5, :, 4:36, 0:32], padded[0, :, 2:34, 2:34], padded[3, :, 1:33, 3:35].flip(2)]
    scale = images.float()
    torch.testing.assert_close(batch, (torch.stack(expected) - scale.mean()) / scale.std(correction=0))
    assert classes.tolist() == labels[[5, 0, 3]].tolist()


def test_every_epoch_sees_each_image_at_most_once_and_changes_its_side():
    sides = torch.tensor([0, 1] * 50)
    epochs = [schedule.draws(sides, e, 16, RECIPE, torch.Generator().manual_seed(e)) for e in (0, 1)]
    for draws in epochs:
        assert draws.shape == (6, 3, 16)
        assert len(draws[:, 0].unique()) == 96
        assert draws[:, 1].unique().tolist() == [0, 1, 2, 3, 4]
    mirrored = [dict(zip(d[:, 0].flatten().tolist(), (d[:, 2] >= 5).flatten().tolist(), strict=True)) for d in epochs]
    assert all(mirrored[0][i] != mirrored[1][i] for i in mirrored[0].keys() & mirrored[1].keys())


def test_the_learning_rate_rises_and_falls_in_lines():
    recipe = Recipe(1, 64, 1.0, warmup=0.2)
    rates = [schedule.rate(step, 10, recipe) for step in range(10)]
    assert rates == pytest.approx([0.5, 1.0, 1.0, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])
    assert schedule.rate(0, 10, replace(recipe, warmup=0.0)) == 1.0


def test_the_last_partial_batch_is_left_out_and_evaluation_sees_every_image(drawn: DataSet):
    model = Watched()
    run(model, drawn.subset(7, 3), replace(RECIPE, batch_size=32))
    assert {len(x) for learning, x in model.seen if learning} == {32}
    assert sum(learning for learning, _ in model.seen) == 2 * (70 // 32)
    assert [len(x) for learning, x in model.seen if not learning] == [30, 30]


def test_fewer_images_than_a_batch_are_one_batch(drawn: DataSet):
    model = Watched()
    run(model, drawn.subset(2, 1), RECIPE)
    assert {len(x) for learning, x in model.seen if learning} == {20}


@pytest.mark.parametrize(("contiguous", "wanted"), [(True, torch.contiguous_format), (False, torch.channels_last)])
def test_code_written_by_hand_can_ask_for_contiguous_batches(drawn: DataSet, contiguous: bool, wanted: object):
    model = Watched()
    run(model, drawn.subset(10, 5), contiguous=contiguous)
    assert all(x.is_contiguous(memory_format=wanted) for _, x in model.seen)


def test_a_fixed_batch_size_is_kept_and_changes_nothing(drawn: DataSet):
    watched, free = Watched(), Watched()
    free.load_state_dict(watched.state_dict())
    watched.inner[2].p = free.inner[2].p = 0.0
    fixed = run(watched, drawn, static_batch=16)
    assert {len(x) for _, x in watched.seen} == {16}
    torch.testing.assert_close(fixed.logits, run(free, drawn).logits, atol=1e-5, rtol=1e-4)


def test_batches_that_cannot_fit_are_refused(drawn: DataSet):
    with pytest.raises(ValueError, match="takes 48 at once"):
        run(small(), drawn, static_batch=48)
    with pytest.raises(ValueError, match="at least 2 at once"):
        train(small(), drawn.train_images[:1], drawn.train_labels[:1], drawn.test_images, RECIPE, 0)
    with pytest.raises(ValueError, match="no parameters"):
        run(nn.Flatten(), drawn)


def test_a_tuple_is_taken_for_its_first_element(drawn: DataSet):
    class Two(Watched):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
            return super().forward(x), x

    model = Two()
    twin = Watched()
    twin.load_state_dict(model.state_dict())
    assert torch.equal(run(model, drawn).logits, run(twin, drawn).logits)


def test_a_log_softmax_head_learns_the_same(drawn: DataSet):
    plain, headed = seeded(small), seeded(lambda: nn.Sequential(*small(), nn.LogSoftmax(1)))
    expected = run(plain, drawn).logits.log_softmax(1)
    torch.testing.assert_close(run(headed, drawn).logits, expected, atol=1e-4, rtol=1e-4)


def test_a_loss_that_stops_being_finite_is_said(drawn: DataSet):
    with pytest.raises(Diverged, match="epoch 1 of 2"):
        run(nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)), drawn, replace(RECIPE, learning_rate=1e30))
    with pytest.raises(Diverged, match="20 steps on one batch"):
        overfit_batch(small(), drawn.train_images[:8], drawn.train_labels[:8], learning_rate=math.inf)


def test_the_mode_is_restored_and_progress_told(drawn: DataSet):
    model, told = small().eval(), []
    run(model, drawn, progress=lambda done, epochs: told.append((done, epochs)))
    assert not model.training
    assert told == [(1, 2), (2, 2)]


def test_bfloat16_is_used_when_the_recipe_says_so(drawn: DataSet):
    seen = []
    model = small()
    model[3].register_forward_hook(lambda *found: seen.append(found[-1].dtype))
    assert run(model, drawn, replace(RECIPE, precision="bfloat16")).logits.dtype is torch.float32
    assert set(seen) == {torch.bfloat16}


@pytest.mark.slow
def test_a_lenet_knows_one_batch_by_heart(cifar: DataSet, lenet: Make):
    losses = overfit_batch(seeded(lenet), cifar.train_images[:64], cifar.train_labels[:64], steps=60)
    assert len(losses) == 60
    assert losses[0] == pytest.approx(math.log(10), abs=0.1)
    assert losses[-1] < losses[0] / 2


def test_overfitting_ends_when_the_batch_is_known(drawn: DataSet):
    images, labels = drawn.train_images[:16], drawn.train_labels[:16]
    whole = overfit_batch(seeded(small), images, labels, steps=60)
    ended = overfit_batch(seeded(small), images, labels, steps=60, enough=2.2)
    assert len(ended) < 60
    assert ended == whole[: len(ended)]
    assert recent(ended) < 2.2 <= recent(ended[:-1])


def test_overfitting_is_repeatable_and_adamw(cifar: DataSet):
    images, labels = cifar.train_images[:16], cifar.train_labels[:16]
    runs = [overfit_batch(seeded(small), images, labels) for _ in range(2)]
    assert runs[0] == runs[1]
    twin = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)))
    found = overfit_batch(seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))), images, labels, steps=5)
    stepper, expected = torch.optim.AdamW(twin.parameters(), lr=2e-3, weight_decay=0.0), []
    x = (images.float() - images.float().mean()) / images.float().std(correction=0)
    for _ in range(5):
        stepper.zero_grad()
        loss = F.cross_entropy(twin(x), labels)
        expected.append(loss.item())
        loss.backward()
        stepper.step()
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("module", sorted(Path(training.__file__).parent.glob("*.py")), ids=lambda m: m.stem)
def test_the_modules_import_only_what_may_run_beside_student_code(module: Path):
    tree = ast.parse(module.read_text(encoding="utf-8"))
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    found = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    names |= {f"{n.module}.{n.names[0].name}" if n.module == "grader" else n.module or "" for n in found}
    known = {*sys.stdlib_module_names, "torch"}
    allowed = {"grader.recipe", "grader.scores", *(n for n in names if n.startswith("grader.training."))}
    assert {n for n in names if n.split(".")[0] not in known} <= allowed


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_recorded_step_trains_as_the_plain_one(drawn: DataSet, lenet: Make):
    recorded, plain = (run(seeded(lenet), drawn, device="cuda", cuda_graph=graph) for graph in (True, False))
    torch.testing.assert_close(recorded.logits, plain.logits, atol=1e-2, rtol=1e-2)
