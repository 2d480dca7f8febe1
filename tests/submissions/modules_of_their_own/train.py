import torch
import torchvision

trainset = torchvision.datasets.CIFAR10("./data", train=True, download=True)


def train(net):
    for x, y in trainset:
        net(x)
