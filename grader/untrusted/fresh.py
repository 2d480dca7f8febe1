"""One worker in a fresh interpreter: where nothing can be forked, on Windows and macOS, and with `--fresh` anywhere.

Its wire is on what were stdin and stdout. A thread of its own reads it, so that the judge's end, which closes the pipe,
ends this process in the middle of a loop of the submission's too, whatever ended the judge. Every system closes the
pipes of a process that is gone; process groups, parents that change and signals are not on all of them.

It gets warm before it is wanted. Then a line of JSON says its limits, and what else it should have imported.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import queue
import threading
import warnings
from importlib import import_module
from typing import NoReturn

from grader.sandbox import plain

PART_BYTES = 1 << 20  # read at once


def main() -> NoReturn:
    """Serve one judge, and end with it."""
    reader, writer = plain.take_pipes()
    incoming = Incoming(reader)
    gc.disable()  # to look for garbage among what is being imported takes a fifth of the time
    from grader.untrusted import worker

    worker.warm(networks=False)
    gc.freeze()
    gc.enable()
    plan = json.loads(incoming.line())
    plain.limit(plan["memory_bytes"], plan["cpu_seconds"])
    for name in plan["modules"]:
        with contextlib.suppress(ImportError):  # the submission's own import says what is wrong
            import_module(name)
    worker.serve(incoming.receive, lambda data: _write_all(writer, data))
    os._exit(0)


class Incoming:
    """What comes by a pipe, in order. At its end the process ends, whatever it is doing."""

    def __init__(self, fd: int) -> None:
        self._parts: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._rest = b""
        threading.Thread(target=self._read, args=(fd,), daemon=True).start()

    def _read(self, fd: int) -> None:
        with contextlib.suppress(OSError):  # how some systems say that the other side is gone
            while part := os.read(fd, PART_BYTES):
                self._parts.put(part)
        os._exit(0)

    def receive(self, size: int) -> bytes:
        """The next bytes, at most so many; waits for the first of them."""
        part = self._rest or self._parts.get()
        self._rest = part[size:]
        return part[:size]

    def line(self) -> bytes:
        """The bytes up to a newline, which is taken too."""
        line = b""
        while (byte := self.receive(1)) != b"\n":
            line += byte
        return line


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
