import torch
import torch.nn as nn
import torch.nn.functional as F
from easydict import EasyDict as edict

__C = edict()
cfg = __C
__C.NUM_CLASSES = 10
__C.TRAIN = edict({'LR': 0.1, 'BATCH': 128})
__C.MODEL = dict(FC=[120, 84])


class LeNet(nn.Module):
    def __init__(self):
        super(LeNet, self).__init__()
        a, b = cfg.MODEL["FC"]
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, a)
        self.fc2 = nn.Linear(a, b)
        self.fc3 = nn.Linear(b, cfg.NUM_CLASSES)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(x.size()[0], -1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


net = LeNet()
optimizer = torch.optim.SGD(net.parameters(), lr=cfg.TRAIN.LR)
