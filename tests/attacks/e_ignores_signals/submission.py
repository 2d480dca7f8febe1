import signal
import threading

STUBBORN = [signal.signal(s, signal.SIG_IGN) for s in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}]


def loop():
    while True:
        pass


def relu(x):
    threading.Thread(target=loop).start()
    loop()
    return STUBBORN
