import torch


def relu(x):
    return torch.nested.nested_tensor([x, x[:1]])
