import torch


def relu(x):
    return torch.clamp(x, 0, 6)
