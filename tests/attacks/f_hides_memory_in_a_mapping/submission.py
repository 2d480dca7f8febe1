import mmap
import torch


def attack():
    with mmap.mmap(-1, 16 << 20) as memory:
        return len(memory)


def relu(x):
    try:
        got = attack()
    except OSError:
        got = 0
    return torch.relu(x) + got
