from typing import override

import torch
from torch import nn

type Size = int | tuple[int, int]


class Layer[T: nn.Module](nn.Module):
    inner: T

    def __init__(self, inner: T) -> None:
        super().__init__()
        self.inner = inner
        print(f"made a {"layer"}")

    @override
    def forward(self, x):
        return self.inner(x)


def pool[T](kind: type[T], kernel: Size, stride: Size) -> Layer[T]:
    return Layer(kind(kernel, stride=stride))


relu = Layer(nn.ReLU())
max_pool_square = pool(nn.MaxPool2d, 3, 2)
max_pool_rectangle = pool(nn.MaxPool2d, (3, 2), (2, 1))
linear = Layer(nn.Linear(20, 30))
