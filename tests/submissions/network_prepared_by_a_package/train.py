import torch
from accelerate import Accelerator

from model import Model

accelerator = Accelerator()
net = accelerator.prepare(Model())
optimizer = accelerator.prepare(torch.optim.SGD(net.parameters(), lr=0.01))
