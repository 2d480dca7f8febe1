"""Pooling is done another way than torch does it, and gives its numbers to the bit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from grader.graph import pooling
from tests.networks import fresh, make, rebuilt, short_training

USUAL = ([2, 2], [], [0, 0], [1, 1], False)
OVERLAPPING = ([3, 3], [2, 2], [1, 1], [1, 1], True)
torchs = torch.ops.aten.max_pool2d


def images(*shape: int, order: torch.memory_format = torch.channels_last) -> Tensor:
    """Many numbers occur several times in a window: the first of them gets the gradient."""
    drawn = torch.randn(*shape, generator=torch.Generator().manual_seed(0)).mul(2).round()
    return drawn.to(memory_format=order).requires_grad_()


@pytest.mark.parametrize("order", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize(
    ("shape", "window"),
    [
        ((4, 6, 28, 28), USUAL),
        ((4, 16, 10, 10), USUAL),
        ((4, 6, 7, 9), USUAL),
        ((1, 1, 2, 2), USUAL),
        ((4, 3, 12, 8), OVERLAPPING),
    ],
)
def test_numbers_and_gradients_are_torchs(shape: tuple[int, ...], window: tuple, order: torch.memory_format) -> None:
    x = images(*shape)
    found, wanted = pooling.max_pool2d(x, *window), torchs(x, *window)
    assert torch.equal(found, wanted)
    assert found.stride() == wanted.stride()
    gradient = torch.randn(wanted.shape).to(memory_format=order)
    mine, theirs = (torch.autograd.grad(result, x, gradient)[0] for result in (found, wanted))
    assert torch.equal(mine, theirs)


def test_what_is_not_a_number_stays_so() -> None:
    x = images(2, 6, 4, 4).detach()
    x[0, 1, 2, 3] = torch.nan
    found = pooling.max_pool2d(x, *USUAL)
    assert found.isnan().nonzero().tolist() == [[0, 1, 1, 1]]
    assert torch.equal(found.nan_to_num(), torchs(x, *USUAL).nan_to_num())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["attributes", "norm and dropout"])
def test_training_with_channels_innermost_is_bit_equal_to_the_original(name: str) -> None:
    options = {"memory_format": torch.channels_last}
    losses, scores = short_training(make(name), **options)
    again, scores_again = short_training(fresh(name), **options)
    assert losses == again
    assert torch.equal(scores, scores_again)


def test_a_relu_that_only_a_pooling_reads_comes_after_it() -> None:
    graph = torch.fx.Graph()
    x = graph.placeholder("x")
    first, second = (graph.call_function(torch.ops.aten.relu.default, (x,)) for _ in range(2))
    pooled = [graph.call_function(pooling.max_pool2d, (relu, *USUAL)) for relu in (first, second)]
    graph.output((*pooled, second))
    module, given = torch.fx.GraphModule({}, graph), images(2, 6, 4, 4)
    wanted = module(given)
    pooling.rectify_later(graph)
    graph.lint()
    names = [node.target for node in graph.nodes if node.op == "call_function"]
    assert names.index(pooling.max_pool2d) == 1  # the second relu alone is still first
    assert all(map(torch.equal, torch.fx.GraphModule({}, graph)(given), wanted))


def test_a_rebuilt_lenet_pools_before_it_rectifies() -> None:
    targets = [node.target for node in rebuilt("attributes").train_graph.graph.nodes]
    assert targets.index(pooling.max_pool2d) < targets.index(torch.ops.aten.relu.default)
