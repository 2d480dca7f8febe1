import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

conv_stride = nn.LazyConv2d(33, 3, stride=2)


def conv_padding(x, weight=None, bias=None):
    y = F.conv2d(x, weight, bias, stride=(2, 1), padding=(4, 2))
    return [y, y.shape]


def conv_dilation(x, w, b):
    return {"output": F.conv2d(x, w, b, stride=(2, 1), padding=(4, 2), dilation=(3, 1))}


def relu(x):
    return np.maximum(0, x)


def max_pool_square(x):
    yield F.max_pool2d(x, 3, 2)


def max_pool_rectangle(x):
    rows = range((x.shape[2] - 3) // 2 + 1)
    columns = range(x.shape[3] - 1)
    return np.stack([[np.max(x[:, :, 2 * i:2 * i + 3, j:j + 2], axis=(2, 3)) for j in columns] for i in rows])


avg_pool_square = [nn.AvgPool2d(3, stride=2)]


def linear(x, w, b=None):
    return F.linear(x, w, b).tolist()


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3072, 10)

    def forward(self, x):
        yield self.fc(x.flatten(1))
