import torch.nn as nn


def build(hidden):
    class LeNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3072, hidden)

        def forward(self, x):
            return self.fc(x.flatten(1))

    return LeNet()
