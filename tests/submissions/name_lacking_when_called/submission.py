import matplotlib.pyplot as plt
import torch
from torch import nn

figure, FLOOR = plt.figure(), 0.0


def relu(x):
    return torch.clamp(x, min=FLOOR)


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(20, 30)

    def forward(self, x):
        return self.fc(x) + OFFSET


linear = Linear()
