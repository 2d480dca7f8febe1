"""The lecture's worked examples, reproduced by the reference solutions. Its inputs are printed rounded to 4 digits."""

import importlib.util
from pathlib import Path

import pytest
import torch

REFERENCE = Path(__file__).resolve().parents[1] / "reference" / "cnn-cifar10"
FIRST = [
    [1.8795, -0.9712, -0.9392, -0.4232],
    [0.8934, -0.1838, -0.6962, 0.7811],
    [-0.7759, 0.6899, 1.2669, -0.4593],
    [-0.3234, 0.1564, 0.3186, -0.6218],
]
SECOND = [
    [0.1849, -0.8552, -0.4428, -0.0164],
    [0.9378, -0.0277, 0.7987, -0.5503],
    [1.1780, 0.5824, 0.1628, -0.2823],
    [-0.8981, -1.6407, -0.1553, -0.4629],
]
EXAMPLES = [
    ("q3_maxpool", "max_pool_square", FIRST, [[1.8795]]),
    ("q3_maxpool", "max_pool_rectangle", FIRST, [[1.8795, 1.2669, 1.2669]]),
    ("q4_avgpool", "avg_pool_square", FIRST, [[0.1293]]),
    ("q4_avgpool", "avg_pool_rectangle", FIRST, [[0.2553, -0.1390, -0.0783]]),
    ("q3_maxpool", "max_pool_square", SECOND, [[1.1780]]),
    ("q3_maxpool", "max_pool_rectangle", SECOND, [[1.1780, 0.7987, 0.7987]]),
    ("q4_avgpool", "avg_pool_square", SECOND, [[0.2799]]),
    ("q4_avgpool", "avg_pool_rectangle", SECOND, [[0.3334, 0.0364, -0.0551]]),
]


def solution(module):
    """A file of the reference as a module of its own; nothing stays in sys.modules."""
    spec = importlib.util.spec_from_file_location(f"reference_{module}", REFERENCE / f"{module}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.mark.parametrize(("module", "name", "plane", "printed"), EXAMPLES)
def test_a_pooling_gives_what_the_lecture_prints(module, name, plane, printed):
    found = getattr(solution(module), name)(torch.tensor([[plane]]))
    torch.testing.assert_close(found, torch.tensor([[printed]]), rtol=0, atol=1e-4)


def test_the_slides_2x2_maximum_is_torchs():
    plane = torch.tensor([[[[29.0, 15, 28, 184], [0, 100, 70, 38], [12, 12, 7, 2], [12, 12, 45, 6]]]])
    assert torch.nn.functional.max_pool2d(plane, 2).tolist() == [[[[100, 184], [12, 45]]]]


def test_the_slides_2x2_average_is_torchs_rounded_down():
    plane = torch.tensor([[[[31.0, 15, 28, 184], [0, 100, 70, 38], [12, 12, 7, 2], [12, 12, 45, 6]]]])
    assert torch.nn.functional.avg_pool2d(plane, 2).floor().tolist() == [[[[36, 80], [12, 15]]]]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("conv_stride", (20, 33, 24, 49)),
        ("conv_padding", (20, 33, 28, 100)),
        ("conv_dilation", (20, 33, 26, 100)),
    ],
)
def test_a_convolution_gives_the_shape_that_the_lecture_prints(name, shape):
    assert getattr(solution("q1_conv2d"), name)(torch.zeros(20, 16, 50, 100)).shape == shape


def test_relu_and_linear_give_the_lectures_shapes():
    x = torch.linspace(-1, 1, 25).reshape(5, 5)
    assert torch.equal(solution("q2_relu").relu(x), x.clamp(min=0))
    assert solution("q5_linear").linear(torch.zeros(2, 20)).shape == (2, 30)


@pytest.mark.parametrize(
    ("module", "name", "parameters"),
    [("q6_lenet", "LeNet", 62_006), ("week8_net", "Net", 62_006), ("q7_efficientnet", "EfficientNet", 4_020_358)],
)
def test_a_network_has_the_known_number_of_parameters(module, name, parameters):
    network = getattr(solution(module), name)()
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert network.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_lenet_and_the_week_8_network_compute_the_same():
    lenet, net = solution("q6_lenet").LeNet(), solution("week8_net").Net()
    net.load_state_dict(lenet.state_dict())
    x = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(net(x), lenet(x))


@pytest.mark.slow
def test_efficientnet_is_torchvisions_b0_weight_for_weight():
    from torchvision.models import efficientnet_b0

    ours, theirs = solution("q7_efficientnet").EfficientNet().eval(), efficientnet_b0(num_classes=10).eval()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours(x), theirs(x))
