import torch


def relu(x):
    return torch.ones(1 << 31)[:2]
