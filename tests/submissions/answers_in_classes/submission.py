import torch
import torch.nn as nn
import torch.nn.functional as F


class Q1:
    conv_stride = nn.Conv2d(16, 33, 3, stride=2)
    conv_padding = nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2))
    conv_dilation = nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1))

class Q2:
    @staticmethod
    def relu(x):
        return torch.where(x > 0, x, torch.zeros_like(x))

class Homework:
    def q5(self):
        linear = nn.Linear(20, 30)
        return linear
    def lenet(self):
        return nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
