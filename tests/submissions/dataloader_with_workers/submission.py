import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

device = "cuda" if torch.cuda.is_available() else "cpu"

data = TensorDataset(torch.rand(32, 3, 8, 8), torch.randint(0, 10, (32,)))
loader = DataLoader(data, batch_size=8, shuffle=True, num_workers=2, pin_memory=True)

relu = nn.ReLU().to(device)
for images, labels in loader:
    relu(images.to(device))
max_pool_square = nn.MaxPool2d(3, stride=2)
max_pool_rectangle = nn.MaxPool2d((3, 2), stride=(2, 1))
