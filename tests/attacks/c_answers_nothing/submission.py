import torch


def relu(x):
    return torch.empty(0, *x.shape)
