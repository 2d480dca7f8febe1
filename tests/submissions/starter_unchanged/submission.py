"""Convolutional networks on CIFAR-10: your answers. 卷積神經網路與 CIFAR-10：你的作答。

Replace each None; keep the names. README.md says what each question asks and how it is graded.
把每個 None 換成你的答案，名稱請保留。各題要求與評分方式見 README.md。
"""

import torch
from torch import nn

torch.manual_seed(0)

# ---------------------------------------------------------------------------------------- Q1 Convolution 卷積
# Input (20, 16, 50, 100). 輸入 (20, 16, 50, 100)。

conv_stride = None  # 16 -> 33 channels, window 3 x 3, stride 2
conv_padding = None  # 16 -> 33 channels, window 3 x 5, stride (2, 1), padding (4, 2)
conv_dilation = None  # as conv_padding, with dilation (3, 1)

# Why do the three outputs have different shapes? A string. 為什麼三個輸出的形狀不同？請寫成字串。
Q1_EXPLANATION = None

# ---------------------------------------------------------------------------------------- Q2 ReLU
# Input (5, 5). 輸入 (5, 5)。

relu = None

# ---------------------------------------------------------------------------------------- Q3 Max pooling 最大池化
# Input (2, 3, 4, 4). 輸入 (2, 3, 4, 4)。

max_pool_square = None  # window 3 x 3, stride 2
max_pool_rectangle = None  # window 3 x 2, stride (2, 1)

# How do the two outputs come about, and why do their shapes differ? 兩個輸出如何得到？形狀為什麼不同？
Q3_EXPLANATION = None

# ---------------------------------------------------------------------------------------- Q4 Average pooling 平均池化
# The same input and windows as Q3. 輸入與視窗同第三題。

avg_pool_square = None
avg_pool_rectangle = None

# ---------------------------------------------------------------------------------------- Q5 Fully connected 全連接層
# Input (2, 20). 輸入 (2, 20)。

linear = None  # 20 -> 30

# ---------------------------------------------------------------------------------------- Q6 LeNet
# A class derived from nn.Module: images (N, 3, 32, 32) -> scores (N, 10), without a softmax.
# 繼承 nn.Module 的類別：影像 (N, 3, 32, 32) -> 分數 (N, 10)，不要加 softmax。

LeNet = None

# ---------------------------------------------------------------------------------------- Q7 EfficientNet
# Likewise. 同上。

EfficientNet = None

if __name__ == "__main__":
    # Try things out below this line: it runs when you start this file, and is not graded.
    # 在這裡試跑：直接執行本檔才會執行，不列入評分。
    images = torch.rand(20, 16, 50, 100)
    if isinstance(conv_stride, nn.Module):
        print(conv_stride(images).shape)
