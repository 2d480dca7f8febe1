import os
import torch


def attack():
    made = []
    try:
        for number in range(5000):
            open(f"file{number}", "x").close()
            made.append(number)
    except OSError:
        pass
    for number in made:
        os.remove(f"file{number}")
    return len(made) == 5000


def relu(x):
    try:
        got = attack()
    except OSError:
        got = 0
    return torch.relu(x) + got
