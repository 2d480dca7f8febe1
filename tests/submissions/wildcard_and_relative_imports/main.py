from layers import *
from nets.lenet import LeNet
