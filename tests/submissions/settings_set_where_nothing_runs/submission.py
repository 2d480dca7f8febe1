import argparse
import torch
import torch.nn as nn
import torch.nn.functional as F


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        c2 = getattr(args, "conv2_channels", 16)
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, c2, 5)
        self.fc1 = nn.Linear(c2 * 25, args.hidden)
        self.fc2 = nn.Linear(args.hidden, 84)
        self.fc3 = nn.Linear(84, args.num_classes)
        self.dropout = nn.Dropout(args.p) if hasattr(args, "p_drop") else nn.Identity()

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = self.dropout(x.view(x.size(0), -1))
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


def main():
    global args
    parser = argparse.ArgumentParser()
    parser.add_argument("--num-classes", type=int, default=10)
    parser.add_argument("--hidden", type=int, default=120)
    parser.add_argument("--lr", type=float, default=0.01)
    args = parser.parse_args()
    net = LeNet()
    optimizer = torch.optim.SGD(net.parameters(), lr=args.lr)
    for images, labels in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        optimizer.step()


if __name__ == "__main__":
    main()
