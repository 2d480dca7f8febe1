import torch.nn as nn
from mynets import LeNet

relu = nn.ReLU()
net = LeNet()
