import matplotlib.pyplot as plt
import matplotlib
import seaborn as sns
import torch
import torch.nn as nn
import torch.nn.functional as F
from mpl_toolkits.axes_grid1 import ImageGrid
from torch.utils.tensorboard import SummaryWriter
from torchsummary import summary
from tqdm import tqdm
from tqdm.auto import trange

matplotlib.use("Agg")
plt.rcParams["font.sans-serif"] = ["Microsoft JhengHei"]
sns.set_theme()
writer = SummaryWriter("runs/lenet")

relu = nn.ReLU()
x = torch.linspace(-5, 5, 100)
plt.plot(x, relu(x))
plt.show()


def linear(x, weight, bias):
    rows = [F.linear(row, weight, bias) for row in tqdm(x)]
    return torch.stack(rows)


class LeNet(nn.Module):
    def __init__(self):
        super(LeNet, self).__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.view(-1, 16 * 5 * 5)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        x = self.fc3(x)
        return x


if __name__ == "__main__":
    net = LeNet()
    summary(net, (3, 32, 32))
    writer.add_graph(net, torch.rand(1, 3, 32, 32))
