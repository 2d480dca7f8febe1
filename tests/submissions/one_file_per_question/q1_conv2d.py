from torch import nn
conv_stride = nn.Conv2d(16, 33, 3, 2)
conv_padding = nn.Conv2d(16, 33, kernel_size=(3, 5), stride=(2, 1), padding=(4, 2))
conv_dilation = nn.Conv2d(16, 33, kernel_size=(3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1))
Q1_EXPLANATION = "The formula gives 24x49, 28x100 and 26x100."
