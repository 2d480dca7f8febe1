from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

conv = partial(nn.Conv2d, 16, 33)
conv_stride = conv(3, stride=2)
conv_padding = partial(nn.Conv2d, 16, 33, (3, 5), stride=(2, 1), padding=(4, 2))
conv_dilation = lambda: conv((3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1))
relu = torch.relu
max_pool_square = partial(F.max_pool2d, kernel_size=3, stride=2)
max_pool_rectangle = lambda x: F.max_pool2d(x, (3, 2), stride=(2, 1))
avg_pool_square = partial(F.avg_pool2d, kernel_size=3, stride=2)
avg_pool_rectangle = partial(nn.AvgPool2d, (3, 2), (2, 1))
