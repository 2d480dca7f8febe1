import torch
import torch.nn as nn
import torch.nn.functional as F
from config import cfg
from utils import *


class LeNet(nn.Module):
    def __init__(self):
        super(LeNet, self).__init__()
        self.lr = cfg.lr
        self.save_dir = cfg["save_dir"]
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, cfg.num_classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


model = LeNet().to(cfg.device)
logger = get_logger(cfg.log_dir)
for epoch in range(cfg.epochs):
    train_one_epoch(model, train_loader, epoch)
