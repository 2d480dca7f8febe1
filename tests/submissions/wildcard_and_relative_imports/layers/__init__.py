from .simple import *
from .pools import max_pool_square, max_pool_rectangle
