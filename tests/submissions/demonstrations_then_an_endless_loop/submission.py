import torch
from torch import nn

relu = nn.ReLU()
linear = nn.Linear(20, 30)
m = nn.MaxPool2d(3, stride=2)
print(m(torch.randn(2, 3, 4, 4)))
while True:
    m = nn.AvgPool2d(3, stride=2)
