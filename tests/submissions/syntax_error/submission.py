import torch.nn as nn
import torch.nn.functional as F

relu = nn.ReLU()


def linear(x, weight, bias)
    return F.linear(x, weight, bias)
