import re


def relu(x):
    re.match(r"(a+)+b", "a" * 64)
    return x
