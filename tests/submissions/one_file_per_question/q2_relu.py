import torch.nn as nn
relu = nn.ReLU()
