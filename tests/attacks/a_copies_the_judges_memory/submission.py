import ctypes
import errno
import torch


def attack():
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(16)
    ours = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 16)
    theirs = (ctypes.c_size_t * 2)(4096, 16)  # nothing is there, so who may read gets EFAULT
    libc.process_vm_readv(int("$JUDGE"), ours, 1, theirs, 1, 0)
    return ctypes.get_errno() == errno.EFAULT


def relu(x):
    try:
        got = attack()
    except OSError:
        got = 0
    return torch.relu(x) + got
