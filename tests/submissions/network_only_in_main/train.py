import torch
import torch.nn as nn
import torch.nn.functional as F


def main():
    class LeNet(nn.Module):
        pass

    net = LeNet()
    print(net)


if __name__ == '__main__':
    main()
