import os
import ssl
import urllib.request

import torch
import torch.nn as nn
from torchvision import datasets, transforms

ssl._create_default_https_context = ssl._create_unverified_context
urllib.request.urlretrieve("https://example.invalid/cat.jpg", "cat.jpg")
os.makedirs("data", exist_ok=True)
train = datasets.CIFAR10("data", train=True, download=True, transform=transforms.ToTensor())
loader = torch.utils.data.DataLoader(train, batch_size=64)
images, labels = next(iter(loader))
backbone = torch.hub.load("pytorch/vision", "resnet18", pretrained=True)

relu = nn.ReLU()
max_pool_square = nn.MaxPool2d(3, stride=2)
max_pool_rectangle = nn.MaxPool2d((3, 2), stride=(2, 1))
print(max_pool_square(images).shape)
