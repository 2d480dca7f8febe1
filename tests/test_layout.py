"""A captured network beside the one asked for."""

from grader.model import AskedLayer, Layer
from grader.report import layout
from tests import gradebooks

ASKED = (
    AskedLayer(op="conv", output_shape=(6, 28, 28)),
    AskedLayer(op="max_pool", also=("avg_pool",), output_shape=(6, 14, 14)),
    AskedLayer(op="linear", output_shape=(10,)),
)


def rows(*layers: tuple[str, tuple[int, ...]]) -> list[tuple[str, str, bool, bool]]:
    found = tuple(Layer(op=op, output_shape=shape, parameters=0, flops=0) for op, shape in layers)
    model = gradebooks.model("q6", "LeNet", [0.5] * 10, layers=found, asked_layers=ASKED)
    named = lambda step: step.op if step else ""  # noqa: E731
    return [(named(r.asked), named(r.layer), r.same, r.extra) for r in layout.rows(model)]


def test_equal_steps_stand_side_by_side_in_any_accepted_spelling() -> None:
    assert rows(("conv", (6, 28, 28)), ("avg_pool", (6, 14, 14)), ("linear", (10,))) == [
        ("conv", "conv", True, False), ("max_pool", "avg_pool", True, False), ("linear", "linear", True, False),
    ]  # fmt: skip


def test_a_step_that_nobody_asked_for_stands_alone_and_a_harmless_one_is_not_held_against_it() -> None:
    found = rows(
        ("conv", (6, 28, 28)),
        ("dropout", (6, 28, 28)),
        ("max_pool", (6, 14, 14)),
        ("linear", (10,)),
        ("softmax", (10,)),
    )
    assert found[1] == ("", "dropout", False, False)
    assert found[-1] == ("", "softmax", False, True)


def test_another_shape_is_another_step() -> None:
    assert rows(("conv", (6, 32, 32)), ("max_pool", (6, 14, 14)))[::2] == [
        ("conv", "conv", False, False), ("linear", "", False, False),
    ]  # fmt: skip


def test_between_equal_steps_those_of_a_kind_stand_side_by_side() -> None:
    found = rows(("conv 3x3", (6, 30, 30)), ("max_pool", (6, 15, 15)), ("flatten", (1350,)), ("linear", (20,)))
    assert [row[:2] for row in found] == [
        ("conv", "conv 3x3"), ("max_pool", "max_pool"), ("", "flatten"), ("linear", "linear"),
    ]  # fmt: skip
    assert not any(same for _, _, same, _ in found)


def test_parts_are_counted_by_the_whole_word() -> None:
    layers = [
        Layer(op=op, output_shape=(1,), parameters=0, flops=0) for op in ("conv2d 3x3", "depthwise conv2d 3x3", "silu")
    ]
    model = gradebooks.model(
        "q7", "B0", [0.5] * 10, layers=tuple(layers), asked_parts={"conv2d": 2, "silu": 1, "sil": 0}
    )
    assert [(p.op, p.usual, p.found) for p in layout.parts(model)] == [("conv2d", 2, 1), ("silu", 1, 1), ("sil", 0, 0)]
