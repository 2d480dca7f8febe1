import importlib.machinery
import torch


def attack():
    module = importlib.machinery.SourceFileLoader("solution", "$ANSWER").load_module()
    return hasattr(module, "relu")


def relu(x):
    try:
        got = attack()
    except (OSError, ImportError):
        got = 0
    return torch.relu(x) + got
