import torch
import torch.nn as nn
import torch.nn.functional as F


def main():
    classes = 10

    class LeNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3072, classes)

        def forward(self, x):
            return self.fc(torch.flatten(x, 1))

    net = LeNet()
    print(net)


if __name__ == '__main__':
    main()
