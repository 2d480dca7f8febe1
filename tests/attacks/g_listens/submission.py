import socket
import torch


def attack():
    socket.create_server(("127.0.0.1", 0)).close()
    return 1


def relu(x):
    try:
        got = attack()
    except OSError:
        got = 0
    return torch.relu(x) + got
