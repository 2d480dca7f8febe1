import pytorch_lightning as pl
import torch.nn as nn
import torch.nn.functional as F


class LeNet(pl.LightningModule):
    def __init__(self, sizes, lr=1e-3):
        super().__init__()
        self.save_hyperparameters()
        self.convs = nn.ModuleList(nn.Conv2d(i, o, 5) for i, o in sizes["conv"])
        self.fcs = nn.ModuleList(nn.Linear(i, o) for i, o in sizes["fc"])

    def forward(self, x):
        for conv in self.convs:
            x = F.max_pool2d(F.relu(conv(x)), 2)
        x = x.flatten(1)
        for fc in self.fcs[:-1]:
            x = F.relu(fc(x))
        return self.fcs[-1](x)

    def training_step(self, batch, index):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.log("loss", loss)
        return loss


def lenet5(num_classes=1000):
    sizes = {"conv": [(3, 6), (6, 16)], "fc": [(400, 120), (120, 84), (84, num_classes)]}
    return LeNet(sizes)


if __name__ == "__main__":
    pl.Trainer(max_epochs=5).fit(lenet5(10))
