import torch.nn as nn


def make_conv(**kw):
    return nn.Conv2d(16, 33, **kw)


def conv_stride():
    return make_conv(kernel_size=3, stride=2)


def conv_padding():
    return make_conv(kernel_size=(3, 5), stride=(2, 1), padding=(4, 2))


def conv_dilation():
    return make_conv(kernel_size=(3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1))


def relu():
    return nn.ReLU()


def max_pool_square():
    return nn.MaxPool2d(3, stride=2)


def max_pool_rectangle():
    m = nn.MaxPool2d((3, 2), stride=(2, 1))
    return m


def avg_pool_square():
    return nn.AvgPool2d(3, stride=2)


def avg_pool_rectangle():
    return nn.AvgPool2d((3, 2), stride=(2, 1))


def linear():
    return nn.Linear(20, 30)
