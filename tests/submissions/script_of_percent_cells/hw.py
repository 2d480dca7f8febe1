# %% [markdown]
# # 作業二
# ## Q1 說明
# 輸出大小為 floor((H + 2p - d(k-1) - 1)/s) + 1，步幅、填補與擴張各不相同，所以三個形狀不同。

# %%
import torch
from torch import nn

%matplotlib inline

# %% Q1
conv_stride = nn.Conv2d(16, 33, 3, 2)
conv_padding = nn.Conv2d(16, 33, [3, 5], [2, 1], [4, 2])
conv_dilation = nn.Conv2d(16, 33, [3, 5], [2, 1], [4, 2], 3)
for m in (conv_stride, conv_padding, conv_dilation):
    print(m(torch.randn(20, 16, 50, 100)).shape)

# %% Q2
relu = torch.relu

# %% Q3
max_pool_square = nn.MaxPool2d(kernel_size=3, stride=2)
max_pool_rectangle = nn.MaxPool2d(kernel_size=(2, 3), stride=(1, 2))

# %% [markdown]
"""
## Q3 說明
每個視窗取最大值，視窗與步幅不同，所以形狀不同。
"""


# %% Q5
def linear(x, weight=torch.randn(30, 20), bias=torch.zeros(30)):
    return x @ weight.T + bias
