import torch.nn as nn

relu = nn.ReLU()
linear = nn.Linear(20, 30)
