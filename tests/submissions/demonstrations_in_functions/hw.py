import torch
import torch.nn.functional as F
from torch import nn


def show_conv():
    x = torch.randn(20, 16, 50, 100)
    print(nn.Conv2d(16, 33, 3, stride=2)(x).size())
    print(nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2))(x).size())
    print(nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1))(x).size())


def show_pool():
    x = torch.randn(2, 3, 4, 4)
    for pool in (F.max_pool2d, F.avg_pool2d):
        print(pool(x, 3, 2))
        print(pool(x, (3, 2), stride=(2, 1)))


if __name__ == "__main__":
    show_conv()
    print(torch.relu(torch.randn(5, 5)))
    show_pool()
    print(F.linear(torch.randn(2, 20), torch.randn(30, 20), torch.randn(30)))
