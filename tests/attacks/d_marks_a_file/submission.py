import fcntl
import os
import torch

SET_HINT = 1036


def attack():
    with open(os.__file__, "rb") as file:
        return len(fcntl.fcntl(file, SET_HINT, bytes(8)))


def relu(x):
    try:
        got = attack()
    except OSError:
        got = 0
    return torch.relu(x) + got
