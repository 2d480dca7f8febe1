import os
import torch


def attack():
    os.link("$ANSWER", "the_answer")
    try:
        return len(open("the_answer").read())
    finally:
        os.unlink("the_answer")


def relu(x):
    try:
        got = attack()
    except OSError:
        got = 0
    return torch.relu(x) + got
