import torch
import torch.nn as nn
import torch.nn.functional as F

relu = nn.ReLU()
linear = nn.Linear(20, HIDDEN)
while True:
    pass
