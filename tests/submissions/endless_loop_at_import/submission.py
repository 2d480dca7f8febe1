import torch
from torch import nn


def find_best_slope():
    slope = 1.0
    while slope != 0.0:
        slope = slope / 2 + 0.1
    return slope


slope = find_best_slope()
relu = nn.LeakyReLU(slope)
linear = nn.Linear(20, 30)
