"""Q6: LeNet for CIFAR-10, 62,006 parameters.

After LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition" (1998), with three
input channels, max pooling and ReLU, as the lecture has it.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class LeNet(nn.Module):
    """Two convolutions that look for patterns, three fully connected layers that decide. (N, 3, 32, 32) -> (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the ten classes; the loss takes the softmax, so none is taken here."""
        x = F.relu(self.conv1(x))  # (N, 6, 28, 28)
        x = F.max_pool2d(x, 2)  # (N, 6, 14, 14)
        x = F.relu(self.conv2(x))  # (N, 16, 10, 10)
        x = F.max_pool2d(x, 2)  # (N, 16, 5, 5)
        x = x.flatten(1)  # (N, 400)
        x = F.relu(self.fc1(x))  # (N, 120)
        x = F.relu(self.fc2(x))  # (N, 84)
        return self.fc3(x)  # (N, 10)
