import torch
import torch.nn as nn
import torch.nn.functional as F
# 线性层与激活函数，用于图像分类的练习
relu = nn.ReLU()
max_pool_square = nn.MaxPool2d(3, stride=2)
max_pool_rectangle = nn.MaxPool2d((3, 2), stride=(2, 1))
linear = nn.Linear(20, 30)
Q3_EXPLANATION = "最大池化取窗口中最大的数"
