import torch


def relu(x):
    torch.set_default_dtype(torch.float64)
    return x
