import torch


def relu(x):
    return abs(x)


def linear(x, weight, bias):
    return torch.mm(x, weight) + bias
