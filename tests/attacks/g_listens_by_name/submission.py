import socket
import torch


def attack():
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("\0relu-$RUN")
    return 1


def relu(x):
    try:
        got = attack()
    except OSError:
        got = 0
    return torch.relu(x) + got
