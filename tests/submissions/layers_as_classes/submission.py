import torch
from torch import nn


class conv_stride(nn.Module):
    def __init__(self):
        super().__init__()
        self.m = nn.Conv2d(16, 33, 3, stride=2)

    def forward(self, x):
        return self.m(x)


class conv_padding(nn.Module):
    def __init__(self, in_channels=16, out_channels=33):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, (3, 5), stride=(2, 1), padding=(4, 2))

    def forward(self, x):
        return self.conv(x)


class conv_dilation(conv_padding):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1))


class relu(nn.Module):
    def forward(self, x):
        return torch.where(x > 0, x, torch.zeros_like(x))


max_pool_square = nn.Sequential(nn.MaxPool2d(3, stride=2))


class max_pool_rectangle(nn.MaxPool2d):
    def __init__(self):
        super().__init__((3, 2), stride=(2, 1))


class avg_pool_square(nn.AvgPool2d):
    def __init__(self):
        nn.AvgPool2d.__init__(self, 3, 2)


class avg_pool_rectangle(nn.Module):
    def __init__(self, k=(3, 2), s=(2, 1)):
        super().__init__()
        self.k, self.s = k, s

    def forward(self, x):
        return torch.nn.functional.avg_pool2d(x, self.k, self.s)


class linear(nn.Module):
    """y = xA^T + b"""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(30, 20))
        self.bias = nn.Parameter(torch.zeros(30))

    def forward(self, x):
        return x @ self.weight.t() + self.bias
