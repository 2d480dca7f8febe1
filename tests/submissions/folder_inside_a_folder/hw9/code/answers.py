import torch
import torch.nn as nn
import torch.nn.functional as F
relu = nn.ReLU()
max_pool_square = nn.MaxPool2d(3, stride=2)
max_pool_rectangle = nn.MaxPool2d((3, 2), stride=(2, 1))
linear = nn.Linear(20, 30)
