import torch


def attack():
    return len(open("$TOKEN").read())


def relu(x):
    try:
        got = attack()
    except OSError:
        got = 0
    return torch.relu(x) + got
