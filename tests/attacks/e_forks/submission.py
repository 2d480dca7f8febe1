import os
import torch


def attack():
    started = 0
    for _ in range(16):
        if os.fork() == 0:
            os._exit(0)
        started += 1
    for _ in range(started):
        os.wait()
    return started


def relu(x):
    try:
        got = attack()
    except OSError:
        got = 0
    return torch.relu(x) + got
