import threading


def relu(x):
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()
    return x
