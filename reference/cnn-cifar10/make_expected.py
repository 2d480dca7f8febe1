"""Writes assignments/cnn-cifar10/expected.safetensors, what the public checks compare with, from the reference.

    python reference/cnn-cifar10/make_expected.py [OUTPUT]

Inputs and weights are uniform in [-1, 1) with weights scaled by the number of summands, so the outputs are of ordinary
size; they come from one seed, and the same torch gives the same bytes. Inputs are stored, not drawn again by the
checks: no random generator's numbers are promised from one version of torch to the next.
"""

import sys
from pathlib import Path

import q1_conv2d
import q2_relu
import q3_maxpool
import q4_avgpool
import q5_linear
import torch
from safetensors.torch import save
from torch import Tensor, nn

SEED = 20250
OUTPUT = Path(__file__).resolve().parents[2] / "assignments" / "cnn-cifar10" / "expected.safetensors"
LAYERS = {  # name -> (layer, shape of the input); the convolutions' planes are smaller than the assignment's, for size
    "conv_stride": (q1_conv2d.conv_stride, (2, 16, 12, 18)),
    "conv_padding": (q1_conv2d.conv_padding, (2, 16, 12, 18)),
    "conv_dilation": (q1_conv2d.conv_dilation, (2, 16, 12, 18)),
    "relu": (q2_relu.relu, (5, 5)),
    "max_pool_square": (q3_maxpool.max_pool_square, (2, 3, 4, 4)),
    "max_pool_rectangle": (q3_maxpool.max_pool_rectangle, (2, 3, 4, 4)),
    "avg_pool_square": (q4_avgpool.avg_pool_square, (2, 3, 4, 4)),
    "avg_pool_rectangle": (q4_avgpool.avg_pool_rectangle, (2, 3, 4, 4)),
    "linear": (q5_linear.linear, (2, 20)),
}


def uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Uniform in [-1, 1)."""
    return torch.rand(shape, generator=generator) * 2 - 1


def weigh(layer: nn.Module, generator: torch.Generator) -> None:
    """Draw the layer's weights, (out, ...), scaled so that sums of one output's products stay near 1."""
    for parameter in layer.parameters():
        summands = max(parameter[0].numel(), 1)
        parameter.data = uniform(tuple(parameter.shape), generator) / summands**0.5


@torch.no_grad()
def tensors() -> dict[str, Tensor]:
    """Input, weights and output of each layer: `relu.input`, `linear.weight`, `linear.bias`, `relu.output`, ..."""
    generator = torch.Generator().manual_seed(SEED)
    found: dict[str, Tensor] = {}
    for name, (layer, shape) in LAYERS.items():
        weigh(layer, generator)
        x = uniform(shape, generator)
        found[f"{name}.input"] = x
        found |= {f"{name}.{key}": parameter.detach() for key, parameter in layer.named_parameters()}
        found[f"{name}.output"] = layer(x)
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)  # the order of a sum, and so its last bit, depends on the number of threads
    Path(sys.argv[1] if len(sys.argv) > 1 else OUTPUT).write_bytes(save(tensors()))
