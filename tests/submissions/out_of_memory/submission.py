import torch
from torch import nn


def relu(x):
    big = torch.ones(10_000_000_000)
    return x.clamp(min=0) * big[0]


def linear(x, weight, bias):
    table = [0.0] * 10_000_000_000
    return table


avg_pool_square = nn.AvgPool2d(3, stride=2)
avg_pool_rectangle = nn.AvgPool2d((3, 2), stride=(2, 1))
