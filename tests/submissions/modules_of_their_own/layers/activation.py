from torch import nn


class ReLU(nn.Module):
    def forward(self, x):
        return x * (x > 0)
