import ctypes
import os
import shutil
import torch


def attack():
    with open("/proc/self/maps") as maps:
        libc = next(line.split()[5] for line in maps if "/libz" in line or "libgomp" in line)
    shutil.copyfile(libc, "mine.so")
    try:
        ctypes.CDLL(os.path.abspath("mine.so"))
    finally:
        os.remove("mine.so")
    return 1


def relu(x):
    try:
        got = attack()
    except OSError:
        got = 0
    return torch.relu(x) + got
