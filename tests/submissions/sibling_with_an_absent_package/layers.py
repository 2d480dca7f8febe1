import albumentations as A
from torch import nn

transform = A.Compose([A.HorizontalFlip()])
relu = nn.ReLU()
linear = nn.Linear(20, 30)
