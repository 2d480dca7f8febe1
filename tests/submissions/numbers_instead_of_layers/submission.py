conv_stride = (20, 33, 24, 49)
conv_padding = "20 x 33 x 28 x 100"
conv_dilation = None


def relu(x):
    x[x < 0] = 0
