#!/usr/bin/env python
# coding: utf-8

# # HW3

# In[1]:


get_ipython().system('pip install torchinfo')
get_ipython().run_line_magic('matplotlib', 'inline')
import torch
import torch.nn as nn
import torch.nn.functional as F
import matplotlib.pyplot as plt


# In[2]:


get_ipython().run_cell_magic('time', '', 'conv_stride = nn.Conv2d(16, 33, 3, stride=2)\nrelu = nn.ReLU()\n')


# In[3]:


max_pool_square = nn.MaxPool2d(3, stride=2)
max_pool_rectangle = nn.MaxPool2d((3, 2), stride=(2, 1))
avg_pool_square = nn.AvgPool2d(3, stride=2)
avg_pool_rectangle = nn.AvgPool2d((3, 2), stride=(2, 1))


# In[ ]:


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)



get_ipython().getoutput('ls')
print(LeNet())
