import torch.nn.functional as F


def conv_stride(weight, bias, x):
    return F.conv2d(x, weight, bias, 2)


def conv_padding(W, x, b):
    return F.conv2d(input=x, weight=W, bias=b, stride=(2, 1), padding=(4, 2))


def conv_dilation(*, x, kernel, bias):
    return F.conv2d(x, kernel, bias, stride=(2, 1), padding=(4, 2), dilation=(3, 1))


def linear(theta, inputs, b):
    return inputs @ theta.T + b
