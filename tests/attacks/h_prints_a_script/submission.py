import torch


def relu(x):
    print('<script>alert(1)</script>')
    return torch.relu(x)
