import torch
import torch.nn as nn
import torch.nn.functional as F


def weight(*s):
    return nn.Parameter(torch.randn(*s) * (2 / torch.Size(s[1:]).numel()) ** 0.5)

class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.p = nn.ParameterDict({"w1": weight(6, 3, 5, 5), "b1": torch.zeros(6), "w2": weight(16, 6, 5, 5), "b2": torch.zeros(16),
            "w3": weight(120, 400), "b3": torch.zeros(120), "w4": weight(84, 120), "b4": torch.zeros(84), "w5": weight(10, 84), "b5": torch.zeros(10)})

    def forward(self, x):
        p = self.p
        x = F.max_pool2d(F.relu(F.conv2d(x, p["w1"], p["b1"])), 2)
        x = F.max_pool2d(F.relu(F.conv2d(x, p["w2"], p["b2"])), 2).flatten(1)
        x = F.relu(F.linear(x, p["w3"], p["b3"]))
        x = F.relu(x @ p.w4.T + p.b4)
        return F.linear(x, p["w5"], p["b5"])
