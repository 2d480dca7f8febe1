import torch
m1 = torch.nn.MaxPool2d(3, stride=2)
m2 = torch.nn.MaxPool2d((3, 2), stride=(2, 1))
max_pool_square, max_pool_rectangle = m1, m2
