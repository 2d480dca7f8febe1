import socket
import torch


def attack():
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()
    return 1


def relu(x):
    try:
        got = attack()
    except OSError:
        got = 0
    return torch.relu(x) + got
