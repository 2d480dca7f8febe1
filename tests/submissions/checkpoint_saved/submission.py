import os

import torch
import torch.nn as nn
import torch.nn.functional as F


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


os.makedirs("checkpoints", exist_ok=True)
lenet = LeNet()
torch.save(lenet.state_dict(), "./cifar_net.pth")
torch.save(lenet.state_dict(), os.path.join("checkpoints", "best.pt"))
lenet.load_state_dict(torch.load("cifar_net.pth"))

relu = nn.ReLU()


def linear(x, weight, bias):
    torch.save(weight, "weight.pt")
    return F.linear(x, torch.load("weight.pt"), bias)
