import torch
import torch.nn as nn
import torch.nn.functional as F
from options import opt


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.batch_size = opt.batch_size
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, opt.hidden)
        self.fc2 = nn.Linear(opt.hidden, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(x.view(-1, 400))))
