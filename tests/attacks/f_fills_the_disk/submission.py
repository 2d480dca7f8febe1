import os
import torch


def attack():
    written = 0
    try:
        for number in range(8):
            with open(f"part{number}", "wb", buffering=0) as file:
                written += sum(file.write(bytes(1 << 20)) for _ in range(10))
    except OSError:
        pass
    for number in range(8):
        if os.path.exists(f"part{number}"):
            os.remove(f"part{number}")
    return written > 70 << 20


def relu(x):
    try:
        got = attack()
    except OSError:
        got = 0
    return torch.relu(x) + got
