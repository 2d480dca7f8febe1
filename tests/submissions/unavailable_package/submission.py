import timm
import torch.nn as nn

relu = nn.ReLU()


def EfficientNet(num_classes=10):
    return timm.create_model("efficientnet_b0", pretrained=False, num_classes=num_classes)
