from torch import nn

max_pool_square = nn.MaxPool2d(3, 2)
max_pool_rectangle = nn.MaxPool2d((3, 2), (2, 1))
