import logging
import os
import platform
import sys
import warnings

import torch
import torch.nn as nn
import torch.nn.functional as F

print(platform.platform(), platform.node(), platform.processor(), os.cpu_count(), sys.version)
logging.basicConfig(level=logging.INFO)
logging.info("torch %s", torch.__version__)


def relu(x):
    warnings.warn("in place of nn.ReLU")
    print("on", platform.platform(), file=sys.stderr)
    return torch.clamp(x, min=0)


def linear(x, weight, bias):
    logging.warning("linear of %s", tuple(x.shape))
    return F.linear(x, weight, bias)


max_pool_square = nn.MaxPool2d(3, stride=2)
max_pool_rectangle = nn.MaxPool2d((3, 2), stride=(2, 1))
