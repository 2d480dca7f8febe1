from dataclasses import dataclass, field
import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass
class TrainConfig:
    lr: float = 0.01
    epochs: int = 10
    hidden: list = field(default_factory=lambda: [120, 84])
    num_classes: int = 10


class LeNet(nn.Module):
    def __init__(self, config: TrainConfig):
        super().__init__()
        sizes = [400, *config.hidden]
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)
        )
        layers = []
        for i, o in zip(sizes, sizes[1:]):
            layers += [nn.Linear(i, o), nn.ReLU()]
        self.classifier = nn.Sequential(*layers, nn.Linear(sizes[-1], config.num_classes))

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


def main():
    cfg = TrainConfig(lr=0.1)
    model = LeNet(cfg)
    trainer = Trainer(model, cfg, get_loaders(cfg.batch_size))
    trainer.fit(epochs=cfg.epochs)


main()
