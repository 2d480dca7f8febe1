import os
import torch


def attack():
    with open("giant", "wb") as file:
        file.truncate(1 << 40)
    os.remove("giant")
    return 1


def relu(x):
    try:
        got = attack()
    except OSError:
        got = 0
    return torch.relu(x) + got
