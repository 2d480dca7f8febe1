"""A captured network is rebuilt bit for bit, and nothing else is let in."""

from __future__ import annotations

import copy
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from grader.graph import allowed, measure, operators
from grader.graph.capture import capture
from grader.graph.rebuild import Caps, Network, Refused, rebuild
from tests.networks import MODELS, SHAPE, captured, fresh, make, rebuilt, short_training

LARGE = {"resnet18", "efficientnet_b0"}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_training_is_bit_equal_to_the_original(name: str) -> None:
    batch = 64 if name == "hard batch" else 16 if name not in LARGE else 4
    losses, scores = short_training(make(name), batch)
    again, scores_again = short_training(fresh(name), batch)
    assert losses == again
    assert torch.equal(scores, scores_again)


def form(name: str = "in place") -> tuple[dict[str, Any], dict[str, Tensor]]:
    """A deep copy of a captured network, to be spoiled."""
    ir, tensors = captured(name).ir, captured(name).tensors
    return json.loads(json.dumps(ir)), dict(tensors)


def test_a_rebuilt_network_says_what_it_is() -> None:
    net = rebuilt("in place")
    assert (net.parameter_count, net.flops, net.output_shape, net.batch) == (62_006, 1_303_440, (10,), None)
    assert [layer.op for layer in net.layers] == [
        *("conv2d 5x5, 3 -> 6", "relu", "max_pool2d 2x2", "conv2d 5x5, 6 -> 16", "relu", "max_pool2d 2x2"),
        *("reshape", "linear 400 -> 120", "relu", "linear 120 -> 84", "relu", "linear 84 -> 10"),
    ]
    assert net.layers[0].output_shape == (6, 28, 28)
    assert sum(layer.parameters for layer in net.layers) == 62_006
    assert sum(layer.flops for layer in net.layers) == net.flops


def test_flops_are_twice_the_multiplications() -> None:
    assert rebuilt("in place").layers[0].flops == 2 * (28 * 28 * 6) * (5 * 5 * 3)


def test_measuring_a_network_leaves_those_that_run_in_other_threads_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's counter of FLOPs hooks every module of the process, and its hooks fail in inference mode."""
    ir, tensors = form()
    hooks = torch.nn.modules.module._global_forward_pre_hooks
    seen: list[int] = []
    step = measure.Meter._step
    monkeypatch.setattr(measure.Meter, "_step", lambda self, node: (seen.append(len(hooks)), step(self, node))[1])
    rebuild(ir, tensors)
    assert seen
    assert not any(seen)


def test_steps_have_all_arguments() -> None:
    step = next(s for s in rebuilt("in place").steps if s.op == "conv2d")
    assert dict(step.arguments) == {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
    assert (step.inputs, step.tensors, step.shape) == ((0,), ("conv1.weight", "conv1.bias"), (6, 28, 28))
    assert step.tensor_shapes == ((6, 3, 5, 5), (6,))


@pytest.mark.slow
def test_the_efficientnet_has_the_published_numbers() -> None:
    net = rebuilt("efficientnet_b0")
    assert net.parameter_count == 4_020_358
    assert sum(layer.parameters for layer in net.layers) == 4_020_358


def test_run_restores_the_mode_and_needs_no_gradients() -> None:
    net = fresh("norm and dropout").train()
    x = torch.randn(5, *SHAPE)
    first, second = net.run(x), net.run(x)
    assert net.training
    assert not first.requires_grad
    assert torch.equal(first, second)


def test_a_network_of_one_batch_size_pads_the_last_batch() -> None:
    net, plain = fresh("hard batch"), fresh("view(-1, 400)")
    x = torch.randn(100, *SHAPE)
    assert net.batch == 64
    assert torch.allclose(net.run(x), plain.run(x), atol=1e-6)
    with pytest.raises(ValueError, match="exactly 64"):
        net(x)


def test_wrong_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3, 32, 32\), not \(1, 28, 28\)"):
        fresh("in place")(torch.zeros(2, 1, 28, 28))


def test_channels_last_training_works_where_the_original_does_not() -> None:
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        short_training(make("view(-1, 400)"), memory_format=torch.channels_last)
    losses, _ = short_training(fresh("view(-1, 400)"), memory_format=torch.channels_last)
    expected, _ = short_training(fresh("view(-1, 400)"))
    assert losses == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_a_copy_trains_by_itself() -> None:
    net = fresh("norm and dropout")
    twin = copy.deepcopy(net)
    before = net.weights_digest
    short_training(twin)
    assert net.weights_digest == before != twin.weights_digest


def test_rebuilding_leaves_tensors_and_random_numbers_alone() -> None:
    ir, tensors = form("norm and dropout")
    before = {name: t.clone() for name, t in tensors.items()}
    state = torch.get_rng_state()
    net = rebuild(ir, tensors)
    assert torch.equal(state, torch.get_rng_state())
    short_training(net)
    assert all(torch.equal(tensors[name], t) for name, t in before.items())


def test_the_input_is_never_written() -> None:
    ir, tensors = form()
    for mode in ("train", "eval"):
        ir[mode]["nodes"].insert(0, ["aten.zero_.default", [{"node": 0}], {}])
        ir[mode] = shifted(ir[mode])
    x = torch.randn(4, *SHAPE)
    before = x.clone()
    rebuild(ir, tensors).run(x)
    assert torch.equal(x, before)


def shifted(graph: dict[str, Any]) -> dict[str, Any]:
    """References moved by one, after a node was put first; the input is read through that node."""

    def move(value: Any) -> Any:
        if isinstance(value, dict):
            return {"node": value["node"] + 1} if "node" in value else value
        return [move(v) for v in value] if isinstance(value, list) else value

    nodes = [graph["nodes"][0], *([op, move(args), kwargs] for op, args, kwargs in graph["nodes"][1:])]
    return {**graph, "nodes": nodes, "output": move(graph["output"])}


def test_uninitialised_memory_is_never_read() -> None:
    assert allowed.REPLACED["aten.empty.memory_format"] == "aten.zeros.default"
    assert {n for n in allowed.ALLOWED if "empty" in n} <= set(allowed.REPLACED)


def test_no_operation_reaches_files_pointers_or_foreign_indices() -> None:
    words = ("from_file", "as_strided", "set_", "resize", "index", "gather", "scatter", "embedding", "_data", "storage")
    assert not [n for n in allowed.ALLOWED if any(w in n for w in words)]
    assert all(reason for reason in allowed.ALLOWED.values())


class Spelt(nn.Module):
    """A network whose forward is one expression of the images and a weight."""

    def __init__(self, how: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.how = how
        self.w = nn.Parameter(torch.randn(10, 3072))

    def forward(self, x: Tensor) -> Tensor:
        return self.how(x, self.w)


SPELT: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    ".T": lambda x, w: x.flatten(1) @ w.T,
    ".mT": lambda x, w: x.flatten(1) @ w.mT,
    "swapaxes": lambda x, w: x.flatten(1) @ w.swapaxes(0, 1),
    "inner": lambda x, w: torch.inner(torch.clip(x, 0).ravel().view(x.shape[0], -1), w),
    "concat": lambda x, w: torch.concat([torch.multiply(x, 2), torch.negative(x)], 1)[:, :3].flatten(1) @ w.t(),
    "where": lambda x, w: torch.where(x > 0, x, 0).flatten(1) @ w.t(),
    "Resize, bilinear": lambda x, w: (
        nn.functional.interpolate(x, (32, 32), mode="bilinear", antialias=True).flatten(1) @ w.t()
    ),
    "Resize, bicubic": lambda x, w: (
        nn.functional.interpolate(x, (32, 32), mode="bicubic", antialias=True).flatten(1) @ w.t()
    ),
    "max": lambda x, w: torch.max(x, torch.zeros_like(x)).flatten(1) @ w.t(),
}


@pytest.mark.parametrize("how", SPELT)
def test_other_spellings_of_what_is_allowed_are_rebuilt(how: str) -> None:
    torch.manual_seed(0)
    model = Spelt(SPELT[how])
    written = capture(model, SHAPE)
    x = torch.randn(5, *SHAPE)
    assert torch.equal(rebuild(written.ir, written.tensors)(x), model(x))


def test_every_allowed_operation_exists_or_is_refused() -> None:
    assert [n for n in allowed.ALLOWED if operators.find(n) is None] == []
    assert operators.find("aten.from_file.default") is None
    assert operators.find("python.pow") is None


# --- hostile forms ------------------------------------------------------------------------------------------------


def node(op: str, *args: Any, **kwargs: Any) -> Callable[[dict[str, Any]], None]:
    """A spoiler that puts one more node at the end of both graphs, as the answer."""

    def spoil(ir: dict[str, Any]) -> None:
        for mode in ("train", "eval"):
            ir[mode]["nodes"].append([op, [last(ir[mode]) if a is LAST else a for a in args], kwargs])
            ir[mode]["output"] = {"node": len(ir[mode]["nodes"])}

    return spoil


LAST = object()
ALONE = {"node": 0}


def last(graph: dict[str, Any]) -> dict[str, int]:
    return {"node": len(graph["nodes"])}


def put(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    """A spoiler that writes `value` at a path."""

    def spoil(ir: dict[str, Any]) -> None:
        place: Any = ir
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return spoil


def squares(ir: dict[str, Any]) -> None:
    """A number that doubles its digits five hundred times."""
    nodes = ir["eval"]["nodes"]
    nodes.append(["aten.sym_size.int", [{"node": 0}, 0], {}])
    for _ in range(500):
        nodes.append(["python.mul", [{"node": len(nodes)}, {"node": len(nodes)}], {}])


def many(ir: dict[str, Any]) -> None:
    ir["train"]["nodes"] = [["aten.relu.default", [{"node": 0}], {}]] * 1_000_000


def through_einsum(ir: dict[str, Any]) -> None:
    """einsum of one tensor gives that tensor's own memory back, which its schema does not say."""
    nodes = ir["eval"]["nodes"]
    nodes.append(["aten.einsum.default", ["ab->ab", [{"tensor": "fc1.weight"}]], {}])
    nodes.append(["aten.mul_.Tensor", [last(ir["eval"]), 0], {}])


def inside_einsum(ir: dict[str, Any]) -> None:
    """What is given and what comes out is small; on the way each number of a matrix meets each other one."""
    weight = {"tensor": "fc1.weight"}
    ir["eval"]["nodes"].append(["aten.einsum.default", ["ab,cd,ab,cd->", [weight] * 4], {}])


def copies(ir: dict[str, Any]) -> None:
    """A hundred large tensors by an operation that may hand back its argument, and here does not."""
    nodes = ir["eval"]["nodes"]
    nodes.append(["aten.pad.default", [{"node": 0}, [4000, 4000]], {}])
    for _ in range(100):
        nodes.append(["aten.pad.default", [last(ir["eval"]), [0, 1]], {}])


HOSTILE: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "an operation that opens files": (node("aten.from_file.default", "/etc/passwd"), "not among those"),
    "an operation that does not exist": (node("aten.relu.Tensor", LAST), "not among those"),
    "an operation that is no text": (node(7, LAST), "not among those"),  # type: ignore[arg-type]
    "a Python function": (node("python.eval", LAST), "not among those"),
    "a reference forward": (node("aten.relu.default", {"node": 99}), "not before it"),
    "a reference to itself": (node("aten.relu.default", {"node": 14}), "not before it"),
    "a negative reference": (node("aten.relu.default", {"node": -1}), "not before it"),
    "a reference by a bool": (node("aten.relu.default", {"node": True}), "not before it"),
    "an unknown tensor": (node("aten.relu.default", {"tensor": "x"}), "not before it"),
    "too few arguments": (node("aten.relu.default"), "not given self"),
    "too many arguments": (node("aten.relu.default", LAST, LAST), "does not take"),
    "an unknown keyword": (node("aten.relu.default", LAST, out=1), "does not take"),
    "an argument twice": (node("aten.relu.default", LAST, self=1), "does not take"),
    "NaN": (node("aten.mul.Tensor", LAST, float("nan")), "bounds"),
    "infinity": (node("aten.leaky_relu.default", LAST, float("inf")), "bounds"),
    "a bool for an int": (node("aten.softmax.int", LAST, True), "bounds"),
    "an int for a bool": (node("aten.dropout.default", LAST, 0.5, 1), "bounds"),
    "text for a number": (node("aten.leaky_relu.default", LAST, "0.1"), "bounds"),
    "an absurd text": (node("aten.gelu.default", LAST, approximate="x" * 10_000), "bounds"),
    "padding for terabytes": (node("aten.constant_pad_nd.default", ALONE, [4096] * 8), "bytes|output"),
    "padding beyond its bounds": (node("aten.constant_pad_nd.default", ALONE, [1 << 30] * 4), "bounds"),
    "a tensor of terabytes": (node("aten.zeros.default", [1 << 28, 1 << 20]), "bytes"),
    "an expansion of terabytes": (node("aten.expand.default", LAST, [1 << 20, 1 << 20, -1, 10]), "bytes"),
    "a stride of zero": (node("aten.max_pool2d.default", ALONE, [2, 2], [0, 0]), "bounds"),
    "groups of zero": (node("aten.group_norm.default", ALONE, 0), "bounds"),
    "a split into very many": (node("aten.split.Tensor", {"tensor": "fc1.weight"}, 1, 1), "plain|output|not a tensor"),
    "a cut of very many": (node("aten.unbind.int", {"tensor": "long"}), "pieces"),
    "shapes that do not fit": (node("aten.matmul.default", ALONE, LAST), "does not work"),
    "a division by zero": (node("python.floordiv", 1, 0), "does not work"),
    "a number that explodes": (squares, "does not work"),
    "a million nodes": (many, "at most 5000"),
    "weights changed through einsum": (through_einsum, "only the optimizer"),
    "terabytes inside an operation": (inside_einsum, "bytes for each image"),
    "a hundred copies": (copies, "bytes for each image"),
    "weights changed in place": (node("aten.mul_.Tensor", {"tensor": "fc1.weight"}, 0), "only the optimizer"),
    "an output without images": (node("aten.sum.default", LAST), "first dimension"),
    "an output of no weight": (node("aten.zeros_like.default", LAST), "does not depend"),
    "an output that is a weight": (put("train", "output", value={"tensor": "fc1.weight"}), "one of its nodes"),
    "a device": (node("aten.zeros.default", [2], device={"device": "cuda"}), "must be a"),
    "an unknown dtype": (node("aten.to.dtype", LAST, {"dtype": "complex64"}), "known dtype"),
    "a dtype that is code": (node("aten.to.dtype", LAST, {"dtype": "__class__"}), "known dtype"),
    "another version": (put("version", value=2), "version"),
    "no batch of one": (put("batch", value=1), "batch size"),
    "a batch that is a bool": (put("batch", value=True), "batch size"),
    "a huge batch": (put("batch", value=10**400), "huge number"),
    "an input of four sizes": (put("input", value=[1, 3, 32, 32]), "input's shape"),
    "a huge input": (put("input", value=[3, 1 << 40, 1]), "input's shape"),
    "a name that is a path": (put("tensors", 0, "name", value="../../etc"), "name"),
    "a shape of a huge number": (put("tensors", 0, "shape", value=[1 << 27, 1 << 27]), "at most"),
    "a shape of a negative number": (put("tensors", 0, "shape", value=[-1]), "whole numbers"),
    "another shape": (put("tensors", 0, "shape", value=[1, 1, 1, 1]), "wanted"),
    "another dtype": (put("tensors", 0, "dtype", value="float64"), "wanted"),
    "an unhashable dtype": (put("tensors", 0, "dtype", value=["float32"]), "unknown dtype"),
    "an unhashable kind": (put("tensors", 0, "kind", value=["parameter"]), "unknown dtype or kind"),
    "two tensors of one name": (put("tensors", 0, "name", value="conv2.weight"), "one name"),
    "no graph": (put("train", value=None), "exactly the fields"),
    "a field too many": (put("more", value=1), "exactly the fields"),
    "nodes that are no list": (put("train", "nodes", value={}), "must be a list"),
    "a node of two": (put("train", "nodes", 0, value=["aten.relu.default", []]), "must be"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_form_is_refused(case: str) -> None:
    spoil, reason = HOSTILE[case]
    ir, tensors = form()
    if case == "a cut of very many":
        ir["tensors"].append({"name": "long", "shape": [5000], "dtype": "float32", "kind": "buffer"})
        tensors["long"] = torch.zeros(5000)
    spoil(ir)
    with pytest.raises(Refused, match=reason):
        rebuild(ir, tensors)


@pytest.mark.parametrize("ir", [None, [], "x", 7, {}, {"version": 1}])
def test_what_is_no_form_is_refused(ir: object) -> None:
    with pytest.raises(Refused, match="exactly the fields"):
        rebuild(ir, {})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda t: t.pop("fc1.weight"),
        lambda t: t.update(more=torch.zeros(1)),
        lambda t: t.update({"fc1.bias": torch.zeros(121)}),
        lambda t: t.update({"fc1.bias": torch.zeros(120, dtype=torch.float64)}),
        lambda t: t.update({"fc1.bias": torch.zeros(120, device="meta")}),
        lambda t: t.update({"fc1.bias": torch.zeros(120).to_sparse()}),
        lambda t: t.update({"fc1.bias": [0.0] * 120}),
    ],
    ids=["missing", "extra", "shape", "dtype", "device", "sparse", "list"],
)
def test_tensors_that_are_not_as_listed_are_refused(spoil: Callable[[dict[str, Any]], None]) -> None:
    ir, tensors = form()
    spoil(tensors)
    with pytest.raises(Refused, match=r"fc1\.bias|not those"):
        rebuild(ir, tensors)


@pytest.mark.parametrize(
    ("caps", "reason"),
    [
        (Caps(nodes=5), "at most 5"),
        (Caps(tensors=3), "at most 3"),
        (Caps(parameters=62_005), "62,006 numbers"),
        (Caps(bytes=1000), "bytes"),
        (Caps(flops=1_300_000), "operations for each image"),
        (Caps(activation_bytes=20_000), "working memory for an image"),
    ],
)
def test_each_cap_holds(caps: Caps, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        rebuild(*form(), caps)


def test_a_network_that_grows_with_the_batch_is_stopped_before_it_runs() -> None:
    """A product of the batch with itself is small for eight images and too large for eight thousand."""
    ir, tensors = form()
    for mode in ("train", "eval"):
        end = last(ir[mode])["node"]
        more = [["aten.sym_size.int", [{"node": 0}, 0], {}], ["python.mul", [{"node": end + 1}, {"node": end + 1}], {}]]
        more += [["python.mul", [{"node": end + 2}, {"node": end + 1}], {}]]
        ir[mode]["nodes"] += [*more, ["aten.zeros.default", [[{"node": end + 3}]], {}]]
        ir[mode]["nodes"].append(["aten.sum.default", [{"node": end + 4}], {}])
        ir[mode]["nodes"].append(["aten.add.Tensor", [{"node": end}, {"node": end + 5}], {}])
        ir[mode]["output"] = {"node": end + 6}
    net = rebuild(ir, tensors)
    assert net.run(torch.zeros(8, *SHAPE)).shape == (8, 10)
    with pytest.raises(Refused, match="bytes for each image"):
        net.run(torch.zeros(8192, 3, 1, 1).expand(8192, *SHAPE))


def test_a_step_that_torch_cannot_do_is_the_networks_fault() -> None:
    """Pooling of truths has a shape and no kernel."""
    ir, tensors = form()
    ir["eval"]["nodes"].append(["aten.gt.Scalar", [{"node": 0}, 0], {}])
    ir["eval"]["nodes"].append(["aten.max_pool2d.default", [last(ir["eval"]), [2, 2]], {}])
    with pytest.raises(Refused, match=r"cannot be run: .*not implemented"):
        rebuild(ir, tensors).run(torch.zeros(2, *SHAPE))


VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 7, 64, 1 << 31, 1 << 63, -(1 << 63), 10**30, 0.5, -1e308, float("nan")),
    *(float("inf"), "", "same", "x" * 999, [], [0], [1, 1], [-1, 400], [1 << 40] * 3, {}, {"node": 0}, {"node": 3}),
    *({"tensor": "fc1.weight"}, {"tensor": "conv1.bias"}, {"dtype": "int64"}, {"dtype": 1}, {"memory_format": "x"}),
    *("aten.relu_.default", "aten.view.default", "aten.cat.default", "aten.conv2d.default", "aten.bernoulli_.float"),
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container of a form with each of its keys."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [(value, k) for k in keys] + [p for k in keys for p in places(value[k])]


def mutate(ir: dict[str, Any], rng: random.Random) -> None:
    """Replace, remove, repeat or exchange something somewhere, or change a node a little."""
    action = rng.randrange(8)
    container, key = rng.choice(places(ir))
    if action == 0 and isinstance(container, list):
        container.insert(key, copy.deepcopy(container[key]))
    elif action == 1:
        del container[key]
    elif action == 2:
        container[key] = copy.deepcopy(rng.choice([c[k] for c, k in rng.sample(places(ir), 20)]))
    elif action == 3:
        container[key] = copy.deepcopy(rng.choice(VALUES))
    elif nodes := [c[k] for c, k in places(ir) if type(c[k]) is list and len(c[k]) == 3 and type(c[k][0]) is str]:
        change_a_little(rng.choice(nodes), rng)


def change_a_little(node: list[Any], rng: random.Random) -> None:
    """Another operation, or another number, for a node."""
    numbers = [(c, k) for c, k in places(node) if type(c[k]) in (int, float)]
    if rng.random() < 0.4 or not numbers:
        node[0] = rng.choice(list(allowed.ALLOWED))
    else:
        container, key = rng.choice(numbers)
        container[key] += rng.choice([-1, 1, 2, 5])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["in place", "norm and dropout", "hard batch"])
def test_a_mutated_form_is_refused_or_runs(name: str) -> None:
    """Three hundred seeded mutations of each form: Refused or a Network, never anything else, in bounded time."""
    outcomes = {"refused": 0, "rebuilt": 0}
    rng = random.Random(name)  # noqa: S311  # mutations, not secrets
    started = time.process_time()
    for _ in range(300):
        ir, tensors = form(name)
        for _ in range(rng.choice([1, 1, 1, 2, 4])):
            mutate(ir, rng)
        try:
            assert isinstance(rebuild(ir, tensors), Network)
            outcomes["rebuilt"] += 1
        except Refused:
            outcomes["refused"] += 1
    assert outcomes["refused"] > 150
    assert outcomes["rebuilt"] > 5
    assert time.process_time() - started < 30


UNCOMPILED = """
import sys, torch
from grader.graph import rebuild, uncompiled
assert uncompiled.leave() > 100
network = rebuild.rebuild(*torch.load(sys.argv[1]))
assert network.flops
print("torch._dynamo" in sys.modules)
"""


@pytest.mark.slow
def test_a_judge_of_layers_loads_neither_the_compiler_nor_the_counter_of_flops() -> None:
    code = "import sys; from grader.judge import judge\n"
    code += "print({'torch._dynamo', 'torch.utils.flop_counter', 'jinja2'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stdout == "set()\n"


@pytest.mark.slow
def test_a_network_is_rebuilt_and_measured_without_torchs_compiler(tmp_path: Path) -> None:
    torch.save(form("resnet18"), tmp_path / "network")
    command = [sys.executable, "-c", UNCOMPILED, tmp_path / "network"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "False\n", done.stderr
