import sys

import torch
import torch.nn as nn

relu = nn.ReLU()


def features():
    if not torch.cuda.is_available():
        sys.exit("No GPU found")
    return 30


linear = nn.Linear(20, features())
exit()
