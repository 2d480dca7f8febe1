# 主程式都寫在 main() 裡
import torch
import torch.nn as nn
import torchvision


def main():
    import torch.nn.functional as F

    trainset = torchvision.datasets.CIFAR10(root="./data", train=True, download=True)
    loader = torch.utils.data.DataLoader(trainset, batch_size=4, shuffle=True)

    class Net(nn.Module):
        def __init__(self):
            super(Net, self).__init__()
            self.conv1 = nn.Conv2d(3, 6, 5)
            self.conv2 = nn.Conv2d(6, 16, 5)
            self.fc1 = nn.Linear(400, 120)
            self.fc2 = nn.Linear(120, 84)
            self.fc3 = nn.Linear(84, 10)

        def forward(self, x):
            x = F.max_pool2d(F.relu(self.conv1(x)), 2)
            x = F.max_pool2d(F.relu(self.conv2(x)), 2)
            x = F.relu(self.fc1(x.view(-1, 400)))
            return self.fc3(F.relu(self.fc2(x)))

    net = Net()
    for images, labels in loader:
        nn.CrossEntropyLoss()(net(images), labels).backward()


if __name__ == "__main__":
    main()
