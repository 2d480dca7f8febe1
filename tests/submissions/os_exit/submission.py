import os

import torch.nn as nn


def relu(x):
    os._exit(7)


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        os._exit(0)


linear = nn.Linear(20, 30)
