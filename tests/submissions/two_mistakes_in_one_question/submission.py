import torch.nn as nn

half = 3 // 0
conv_stride = nn.Conv2d(16, 33, 3, strides=2)
conv_padding = nn.Conv2d(16, 33, (3, 5), stride=(2, 1), pad=(4, 2))
conv_dilation = nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, half))
