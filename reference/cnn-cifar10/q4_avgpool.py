"""Q4: average pooling with the same two windows as Q3. Input (2, 3, 4, 4)."""

from torch import nn

avg_pool_square = nn.AvgPool2d(3, stride=2)  # (2, 3, 1, 1), the mean of 9 numbers
avg_pool_rectangle = nn.AvgPool2d((3, 2), stride=(2, 1))  # (2, 3, 1, 3), the mean of 6 numbers
