"""Q3: max pooling with a square and a rectangular window. Input (2, 3, 4, 4)."""

from torch import nn

max_pool_square = nn.MaxPool2d(3, stride=2)  # (2, 3, 1, 1)
max_pool_rectangle = nn.MaxPool2d((3, 2), stride=(2, 1))  # (2, 3, 1, 3)

Q3_EXPLANATION = """
Pooling slides a window over each channel and keeps the largest number in it; nothing is learned and channels are not
mixed, so (2, 3) stays. Each side is floor((in - kernel) / stride + 1).

max_pool_square: floor((4 - 3) / 2 + 1) = 1 in both directions. One window fits: the upper left 3 x 3 of the 4 x 4
plane. A second one would need rows 2 to 4 (counted from 0), and there is no row 4; by default such a window is left out
(rounded down), so the last row and the last column are never looked at.

max_pool_rectangle: the height is 1 as before. In the width the window is 2 and the step 1, so
floor((4 - 2) / 1 + 1) = 3 windows fit; they overlap by one column. A large number in an overlap is the maximum of two
neighbours, which is why the same value can appear twice in the output. All columns are used, the last row is not.
"""
