"""Max pooling with torch's own numbers, to the bit, where torch is slow: on a processor, with channels innermost.

torch takes eight channels at a time and what is left one by one, so the six of a LeNet's first layer take twice as long
as sixteen would. Where they are fewer than eight and the windows are the usual ones, each image is laid out as the four
corners of all its windows, which makes a picture of 2 x 2 pixels with very many channels. On the way back torch brings
everything into the order in which the gradient lies, and a flattened result's is the other one; here the gradient,
which is small, is brought into the images' order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, fx

LANES = 8  # floats that torch's kernel takes at once
USUAL = ([2, 2], [2, 2], [0, 0], [1, 1], False)


def max_pool2d(
    x: Tensor, kernel: list[int], stride: list[int], padding: list[int], dilation: list[int], ceil: bool
) -> Tensor:
    """What aten.max_pool2d gives, and the same gradient. `x`: (B, C, H, W)."""
    ours = x.device.type == "cpu" and x.dtype is torch.float32 and x.dim() == 4
    if ours and x.is_contiguous(memory_format=torch.channels_last):
        found: Tensor = _Pool.apply(x, kernel, stride or kernel, padding, dilation, ceil)
    else:
        found = torch.ops.aten.max_pool2d(x, kernel, stride, padding, dilation, ceil)
    return found


def rectify_later(graph: fx.Graph) -> None:
    """Have what is pooled after a relu be pooled before it: the same numbers and gradients, and a relu of a quarter."""
    relu = torch.ops.aten.relu.default
    for pool in graph.find_nodes(op="call_function", target=max_pool2d):
        before = pool.args[0]
        if before.target is relu and len(before.users) == 1:
            pool.replace_input_with(before, before.args[0])
            graph.erase_node(before)
            with graph.inserting_after(pool):
                after = graph.call_function(relu, (pool,))
            pool.replace_all_uses_with(after, delete_user_cb=lambda user, after=after: user is not after)


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *window: Any) -> Tensor:
        few = x.shape[1] < LANES and window == USUAL and x.shape[2] % 2 == x.shape[3] % 2 == 0
        found, place = _of_corners(x) if few else torch.ops.aten.max_pool2d_with_indices(x, *window)
        ctx.save_for_backward(x, place)
        ctx.window = window
        return found

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        x, place = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        back = torch.ops.aten.max_pool2d_with_indices_backward(gradient, x, *ctx.window, place)
        return back, None, None, None, None, None


def _of_corners(x: Tensor) -> tuple[Tensor, Tensor]:
    """Maxima of 2 x 2 windows and where in its image each was found, (B, C, H/2, W/2)."""
    b, c, h, w = x.shape
    order, first = _windows(h, w, c)
    corners = x.permute(0, 2, 3, 1).reshape(b, h * w, c).index_select(1, order)
    found, corner = torch.ops.aten.max_pool2d_with_indices(corners.view(b, 2, 2, -1).permute(0, 3, 1, 2), [2, 2])
    place = (corner + first).add_(corner >> 1, alpha=w - 2)  # corners 2 and 3 are a row further down
    back = found.view(b, h // 2, w // 2, c), place.view(b, h // 2, w // 2, c)
    return back[0].permute(0, 3, 1, 2), back[1].permute(0, 3, 1, 2)


@lru_cache(16)
def _windows(h: int, w: int, c: int) -> tuple[Tensor, Tensor]:
    """The pixels of an image, the upper left ones of all windows first; for each result its window's first pixel."""
    pixels = torch.arange(h * w).view(h // 2, 2, w // 2, 2).permute(1, 3, 0, 2)
    return pixels.reshape(-1), pixels[0, 0].reshape(-1, 1).repeat(1, c).view(1, -1, 1, 1)
