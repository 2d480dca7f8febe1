import ctypes


def relu(x):
    ctypes.string_at(0)
    return x
