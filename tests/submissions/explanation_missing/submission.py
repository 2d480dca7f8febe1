from torch.nn import Conv2d

conv_stride = Conv2d(16, 33, 3, stride=2)
conv_padding = Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2))
conv_dilation = Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1))
Q1_EXPLANATION = ""

# TODO Q3 explanation
