import subprocess
import torch


def attack():
    return subprocess.run(["/bin/sh", "-c", "exit 7"]).returncode


def relu(x):
    try:
        got = attack()
    except OSError:
        got = 0
    return torch.relu(x) + got
