"""What a judge gives back from time to time, so that a long class with networks needs no more memory than a short one.

What is kept of a student's networks refers to itself: an exception that is kept as an answer holds the frames that it
came through, and these hold it. Python finds such rings late, for it counts objects and not what they weigh, and glibc
keeps the holes that they leave. Without this, a judge grows by 2 to 4 MiB with each submission.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc

EVERY = 4
"""Submissions with networks from one time to the next: looking takes some 20 to 80 ms, and each holds a few MiB."""


class Memory:
    """Counts submissions with networks that are finished, and gives back after every few."""

    def __init__(self) -> None:
        self._finished = 0

    def finished(self) -> None:
        """One more is finished."""
        self._finished += 1
        if self._finished % EVERY == 0:
            gc.collect()
            with contextlib.suppress(OSError, AttributeError, TypeError):  # only glibc can
                ctypes.CDLL(None).malloc_trim(0)
