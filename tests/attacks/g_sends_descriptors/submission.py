import socket
import torch


def attack():
    ours, _theirs = socket.socketpair()
    return socket.send_fds(ours, [b"x"], [0])


def relu(x):
    try:
        got = attack()
    except OSError:
        got = 0
    return torch.relu(x) + got
