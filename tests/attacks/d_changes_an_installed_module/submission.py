import torch
import torch.version


def attack():
    with open(torch.version.__file__, "ab"):
        return 1


def relu(x):
    try:
        got = attack()
    except OSError:
        got = 0
    return torch.relu(x) + got
