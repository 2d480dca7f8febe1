import os
import stat
import torch


def attack():
    os.mknod("null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    os.remove("null")
    return 1


def relu(x):
    try:
        got = attack()
    except OSError:
        got = 0
    return torch.relu(x) + got
