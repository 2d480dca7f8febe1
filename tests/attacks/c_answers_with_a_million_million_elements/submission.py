import torch


def relu(x):
    return torch.zeros(1).expand(10**12)
