"""Q5: a fully connected layer, y = x W^T + b with W (30, 20) and b (30). Input (2, 20), output (2, 30)."""

from torch import nn

linear = nn.Linear(20, 30)
