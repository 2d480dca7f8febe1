import os
import torch


def attack():
    handle = os.memfd_create("hoard")
    try:
        return os.write(handle, bytes(1 << 20))
    finally:
        os.close(handle)


def relu(x):
    try:
        got = attack()
    except OSError:
        got = 0
    return torch.relu(x) + got
