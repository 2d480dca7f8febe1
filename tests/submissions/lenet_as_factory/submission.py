from collections import OrderedDict

import torch.nn as nn


def conv_block(i, o):
    return [nn.Conv2d(i, o, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2)]


def lenet(num_classes=10):
    layers = conv_block(3, 6) + conv_block(6, 16) + [nn.Flatten()]
    sizes = [400, 120, 84]
    for i, o in zip(sizes, sizes[1:]):
        layers += [nn.Linear(i, o), nn.ReLU(inplace=True)]
    layers.append(nn.Linear(84, num_classes))
    return nn.Sequential(OrderedDict((str(i), layer) for i, layer in enumerate(layers)))
