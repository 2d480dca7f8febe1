import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F


class LeNet(nn.Module):
    def __init__(self, args):
        super().__init__()
        c1, c2 = args.channels
        self.conv1 = nn.Conv2d(3, c1, 5)
        self.conv2 = nn.Conv2d(c1, c2, 5)
        self.fc1 = nn.Linear(c2 * 5 * 5, args.hidden)
        self.fc2 = nn.Linear(args.hidden, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.reshape(x.size(0), -1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


def main():
    parser = argparse.ArgumentParser(description="LeNet on CIFAR-10")
    parser.add_argument("--channels", type=int, nargs=2, default=[6, 16])
    parser.add_argument("--hidden", type=int, default=120)
    parser.add_argument("--data", required=True)
    parser.add_argument("--lr", type=float, default=1e-2)
    args = parser.parse_args()
    print(args)

    net = LeNet(args).cuda()
    optimizer = torch.optim.SGD(net.parameters(), lr=args.lr, momentum=0.9)
    for epoch in range(10):
        for images, labels in get_loader(args.data):
            optimizer.zero_grad()
            F.cross_entropy(net(images.cuda()), labels.cuda()).backward()
            optimizer.step()


if __name__ == "__main__":
    main()
