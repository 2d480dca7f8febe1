import torch
import torch.nn as nn
import torchvision


class Trainer:
    def __init__(self, config):
        self.config = config
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = None
        self.build()

    def build(self):
        # LeNet
        self.model = nn.Sequential(
            nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(16 * 5 * 5, 120), nn.ReLU(),
            nn.Linear(120, 84), nn.ReLU(),
            nn.Linear(84, 10),
        )
        self.model = self.model.to(self.device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=self.config.lr)

    def load_data(self):
        self.train_set = torchvision.datasets.CIFAR10("./data", train=True, download=True)
        self.loader = torch.utils.data.DataLoader(self.train_set, batch_size=self.config.batch_size)

    def train(self):
        self.load_data()
        for epoch in range(self.config.epochs):
            for x, y in self.loader:
                self.optimizer.zero_grad()
                nn.functional.cross_entropy(self.model(x), y).backward()
                self.optimizer.step()
