import torch
import torch.nn as nn
import torch.nn.functional as F


name = input("Your student number: ")
epochs = int(input("epochs? ") or 10)
conv_stride = nn.Conv2d(16, 33, 3, stride=2)
conv_padding = nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2))
conv_dilation = nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1))
relu = nn.ReLU()
max_pool_square = nn.MaxPool2d(3, stride=2)
max_pool_rectangle = nn.MaxPool2d((3, 2), stride=(2, 1))
avg_pool_square = nn.AvgPool2d(3, stride=2)
avg_pool_rectangle = nn.AvgPool2d((3, 2), stride=(2, 1))
linear = nn.Linear(20, 30)
width = int(input("width of the hidden layer: "))
class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, width)
        self.fc2 = nn.Linear(width, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


if epochs < 0:
    exit(1)
print(LeNet())
quit()
