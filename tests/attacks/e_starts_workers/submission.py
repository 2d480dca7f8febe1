import multiprocessing
import torch


def attack():
    process = multiprocessing.get_context("fork").Process(target=print)
    process.start()
    process.join()
    return 1


def relu(x):
    try:
        got = attack()
    except OSError:
        got = 0
    return torch.relu(x) + got
