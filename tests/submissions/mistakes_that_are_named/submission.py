import torch
import torch.nn as nn
import torch.nn.functional as F


def conv_stride(x, weight, bias):  # the textbook's convolution, which turns its window
    return F.conv2d(x, weight.flip(2, 3), bias, stride=2)


def conv_dilation(x, weight, bias):
    return F.conv2d(x, weight, bias, stride=(2, 1), padding=(4, 2), dilation=(3, 1)).relu()


relu = nn.ReLU6()
avg_pool_square = nn.LPPool2d(1, 3, stride=2)
avg_pool_rectangle = nn.AvgPool2d((3, 2), stride=(2, 1), divisor_override=1)


def linear(x, weight, bias):
    return x @ weight.reshape(20, 30) + bias


def LeNet(x):
    return x.flatten(1)[:, :10]
