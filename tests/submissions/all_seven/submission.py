import torch
import torch.nn as nn
from torchvision.models import efficientnet_b0

# Q1
conv_stride = nn.Conv2d(16, 33, 3, stride=2)
conv_padding = nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2))
conv_dilation = nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1))

input = torch.randn(20, 16, 50, 100)
print(conv_stride(input).shape)
print(conv_padding(input).shape)
print(conv_dilation(input).shape)

Q1_EXPLANATION = """
stride=2 halves both sides. In the second one the height is halved and padding adds 8 rows and 4 columns.
Dilation makes the 3 rows of the kernel cover 7 rows, so 2 rows less come out.
"""

# Q2
relu = nn.ReLU()
print(relu(torch.randn(5, 5)))

# Q3
max_pool_square = nn.MaxPool2d(3, stride=2)
max_pool_rectangle = nn.MaxPool2d((3, 2), stride=(2, 1))
Q3_EXPLANATION = "3x3 fits once, 3x2 fits three times from left to right, and the windows overlap."

# Q4
avg_pool_square = nn.AvgPool2d(3, stride=2)
avg_pool_rectangle = nn.AvgPool2d((3, 2), stride=(2, 1))

# Q5
linear = nn.Linear(20, 30)


# Q6
class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(400, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, 10),
        )

    def forward(self, x):
        return self.classifier(self.features(x))


# Q7
class EfficientNet(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.net = efficientnet_b0(weights=None)
        self.net.classifier[1] = nn.Linear(1280, num_classes)

    def forward(self, x):
        return self.net(x)


if __name__ == "__main__":
    net = EfficientNet()
    print(net(torch.randn(2, 3, 32, 32)).shape)
