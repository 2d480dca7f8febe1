import torch.nn as nn

conv_stride = nn.Conv2d(16, 33, 3, stride=2)
conv_padding = nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2))
conv_dilation = nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1))
