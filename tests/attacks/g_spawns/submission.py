import os
import torch


def attack():
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 7"], {})
    status = os.waitpid(pid, 0)[1] >> 8
    return status if status == 7 else 0


def relu(x):
    try:
        got = attack()
    except OSError:
        got = 0
    return torch.relu(x) + got
