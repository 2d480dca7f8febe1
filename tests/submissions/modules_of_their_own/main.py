from layers.conv import *
from layers.activation import ReLU as relu
from model import LeNet

if __name__ == "__main__":
    from train import train
    train(LeNet())
