import torch


def relu(x):
    for _ in range(3000):
        print("x" * 1000)
    return torch.relu(x)
