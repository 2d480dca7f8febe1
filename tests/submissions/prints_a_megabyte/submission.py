import torch


def relu(x):
    for i in range(20000):
        print("relu was called with", x.shape, "in step", i, "of 20000")
    return torch.relu(x)
