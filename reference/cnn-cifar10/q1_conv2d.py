"""Q1: three convolutions that differ in stride, padding and dilation. Input (20, 16, 50, 100)."""

from torch import nn

# 16 channels in, 33 out. Only the height and the width of the three outputs differ.
conv_stride = nn.Conv2d(16, 33, 3, stride=2)  # (20, 33, 24, 49)
conv_padding = nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2))  # (20, 33, 28, 100)
conv_dilation = nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1))  # (20, 33, 26, 100)

Q1_EXPLANATION = """
Each side of the output follows from the same formula:

    out = floor((in + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1)

The window covers dilation * (kernel - 1) + 1 pixels, padding adds pixels on both sides, and the stride is the step from
one window to the next.

conv_stride:   height floor((50 + 0 - 2 - 1) / 2 + 1) = 24, width floor((100 + 0 - 2 - 1) / 2 + 1) = 49. A stride of 2
               takes every second window, so both sides are about half; without padding the border costs a pixel more.
conv_padding:  height floor((50 + 8 - 2 - 1) / 2 + 1) = 28: the stride halves it, but 4 rows of zeros above and below
               make the input 58 high first. Width floor((100 + 4 - 4 - 1) / 1 + 1) = 100: two columns on each side are
               just what a window of 5 with stride 1 takes away, so the width is kept.
conv_dilation: only the height has another dilation. Its three rows now lie 3 apart and cover 7 pixels, not 3, so the
               window fits 4 rows fewer, and with stride 2 the output loses 2: floor((50 + 8 - 6 - 1) / 2 + 1) = 26. The
               width has dilation 1, as before, and stays 100. The number of weights does not change.

The batch of 20 stays, and the 33 channels are the number of filters: neither depends on stride, padding or dilation.
"""
