import resource
import torch


def attack():
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard + 1, hard + 1))
    return 1


def relu(x):
    try:
        got = attack()
    except (OSError, ValueError):
        got = 0
    return torch.relu(x) + got
