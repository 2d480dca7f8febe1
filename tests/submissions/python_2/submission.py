import torch
import torch.nn as nn

relu = nn.ReLU()
print relu(torch.randn(5, 5))
avg_pool_square = nn.AvgPool2d(3, stride=2)
avg_pool_rectangle = nn.AvgPool2d((3, 2), stride=(2, 1))
print "done"
