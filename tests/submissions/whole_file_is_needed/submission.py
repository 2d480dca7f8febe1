import torch
import torch.nn as nn
import torch.nn.functional as F

config = {}
exec("config['hidden'] = 30")
exec("WINDOW = 3")

relu = nn.ReLU()
linear = nn.Linear(20, config["hidden"])
max_pool_square = nn.MaxPool2d(WINDOW, stride=2)
