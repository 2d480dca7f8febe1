import socket
import torch


def attack():
    socket.create_connection(("127.0.0.1", int("$PORT")), timeout=1).close()
    return 1


def relu(x):
    try:
        got = attack()
    except OSError:
        got = 0
    return torch.relu(x) + got
