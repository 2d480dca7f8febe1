import torch
import torch.nn as nn

linear = nn.Linear(30, 20)
input = torch.randn(2, 30)
print(linear(input).size())
