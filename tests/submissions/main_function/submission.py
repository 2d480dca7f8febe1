import torch.nn as nn

relu = nn.ReLU()


def main():
    net = nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(6 * 14 * 14, 10))
    print(net)


if __name__ == "__main__":
    main()
