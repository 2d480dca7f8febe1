import torch


def attack():
    files = []
    try:
        for _ in range(1000):
            files.append(open("/dev/null"))
    except OSError:
        pass
    for file in files:
        file.close()
    return len(files) == 1000


def relu(x):
    try:
        got = attack()
    except OSError:
        got = 0
    return torch.relu(x) + got
