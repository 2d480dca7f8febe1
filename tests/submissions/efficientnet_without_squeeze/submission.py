import torch
import torch.nn as nn
import torch.nn.functional as F



class MBConv(nn.Module):
    def __init__(self, in_c, out_c, expand, k, stride):
        super().__init__()
        mid = in_c * expand
        self.use_res = stride == 1 and in_c == out_c
        self.block = nn.Sequential(
            nn.Conv2d(in_c, mid, 1, bias=False), nn.BatchNorm2d(mid), nn.ReLU6(),
            nn.Conv2d(mid, mid, k, stride, k // 2, groups=mid, bias=False), nn.BatchNorm2d(mid), nn.ReLU6(),
            nn.Conv2d(mid, out_c, 1, bias=False), nn.BatchNorm2d(out_c))

    def forward(self, x):
        out = self.block(x)
        return x + out if self.use_res else out


class EfficientNet(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        # small version for 32x32
        cfg = [(8, 8, 2, 3, 1), (8, 12, 2, 3, 2), (12, 12, 2, 5, 1), (12, 16, 2, 3, 2),
               (16, 16, 2, 3, 1), (16, 24, 2, 5, 2), (24, 24, 2, 3, 1)]
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6())
        self.blocks = nn.Sequential(*[MBConv(*c) for c in cfg])
        self.head = nn.Sequential(nn.Conv2d(24, 64, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU6())
        self.fc = nn.Linear(64, num_classes)

    def forward(self, x):
        x = self.head(self.blocks(self.stem(x)))
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)
        return self.fc(x)
