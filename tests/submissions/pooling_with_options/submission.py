import torch
import torch.nn as nn
import torch.nn.functional as F

max_pool_square = nn.MaxPool2d(3, stride=2, ceil_mode=True)


def max_pool_rectangle(x):
    x = F.pad(x, (0, 0, 0, 1))  # zero row, so that the last row is used
    return F.max_pool2d(x, (3, 2), stride=(2, 1))


avg_pool_square = nn.AvgPool2d(3, stride=2, padding=1)
avg_pool_rectangle = nn.AvgPool2d((3, 2), stride=(2, 1), divisor_override=9)
