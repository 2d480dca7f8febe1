import torch
from torch import nn


def main():
    torch.manual_seed(1)
    # Q1
    x = torch.randn(20, 16, 50, 100)
    conv_stride = nn.Conv2d(16, 33, 3, stride=2)
    print(conv_stride(x).size())
    conv_padding = nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2))
    print(conv_padding(x).size())
    conv_dilation = nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1))
    print(conv_dilation(x).size())
    # Q2
    relu = nn.ReLU()
    print(relu(torch.randn(2)))
    # Q3, Q4
    x = torch.randn(20, 16, 50, 32)
    max_pool_square = nn.MaxPool2d(3, stride=2)
    max_pool_rectangle = nn.MaxPool2d((3, 2), stride=(2, 1))
    avg_pool_square, avg_pool_rectangle = nn.AvgPool2d(3, stride=2), nn.AvgPool2d((3, 2), stride=(2, 1))
    print(max_pool_square(x).size(), max_pool_rectangle(x).size())
    # Q5
    linear = nn.Linear(20, 30)
    with torch.no_grad():
        net = build_from_my_library()
        print(linear(torch.randn(128, 20)).size())


main()
