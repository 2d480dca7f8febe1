"""A time that ends what is done in this process, whatever it waits for."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator


class DeadlineReached(Exception):
    """Our own deadline, some time before the platform's."""


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raises DeadlineReached in the block after so many seconds, whatever it waits for. Main thread, Unix."""

    def over(_number: int, _frame: object) -> None:
        raise DeadlineReached

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
