import torch


def attack():
    with open("/proc/sys/kernel/hostname", "r+"):
        return 1


def relu(x):
    try:
        got = attack()
    except OSError:
        got = 0
    return torch.relu(x) + got
