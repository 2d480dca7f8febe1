import torch.nn as nn

conv2d_stride = nn.Conv2d(16, 33, 3, stride=2)
conv_pad = nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2))
dilated_conv = nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1))
ReLU = nn.ReLU()
maxpool1 = nn.MaxPool2d(3, stride=2)
maxpool2 = nn.MaxPool2d((3, 2), stride=(2, 1))
AvgPool_1 = nn.AvgPool2d(3, stride=2)
AvgPool_2 = nn.AvgPool2d((3, 2), stride=(2, 1))
fc = nn.Linear(20, 30)
