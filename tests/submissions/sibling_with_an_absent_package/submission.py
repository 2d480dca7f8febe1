from model import LeNet
from layers import relu, linear
