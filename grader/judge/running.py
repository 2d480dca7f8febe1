"""Runs a check that pytest has collected: its set-up, itself and its tidying up, and ends it when it never ends.

pytest's own protocol makes a report of each of these and tells a dozen hooks of it. Nobody listens here, and for a
check of a layer all that takes longer than the check.
"""

from __future__ import annotations

import faulthandler
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import NoReturn, Self

import pytest

CHECK_SECONDS = 1800  # only a check that is itself broken takes longer: student time is limited elsewhere


class Overdue(Exception):
    """A check went on for longer than any check that is right."""


def run(
    check: pytest.Item, following: pytest.Item | None, alarm: Alarm
) -> Iterator[tuple[BaseException | None, float]]:
    """What ended a check (None: it passed) and its seconds; a second time if it fails while it tidies up.

    `following` is the check that comes next: what both need is left as it is. A check may end itself, not the session.
    """
    hook = check.config.hook
    alarm.set()
    error, seconds = _ended(lambda: hook.pytest_runtest_setup(item=check))
    if error is None:
        error, seconds = _ended(lambda: _called(check))
    yield error, seconds
    error, seconds = _ended(lambda: hook.pytest_runtest_teardown(item=check, nextitem=following))
    alarm.stop()
    if error is not None:
        yield error, seconds
    check._initrequest()  # type: ignore[attr-defined]  # noqa: SLF001  # as good as new: it runs for the next student too


def _called(check: pytest.Item) -> None:
    try:
        check.runtest()
    except (pytest.exit.Exception, KeyboardInterrupt) as e:
        raise RuntimeError(f"the check raised {type(e).__name__}") from e


def _ended(phase: Callable[[], object]) -> tuple[BaseException | None, float]:
    """What a phase raised, and its seconds."""
    began = time.perf_counter()
    try:
        phase()
    except (pytest.exit.Exception, KeyboardInterrupt):
        raise
    except BaseException as e:  # noqa: BLE001  # whatever ends a check is read off
        return e, time.perf_counter() - began
    return None, time.perf_counter() - began


class Alarm:
    """Raises `Overdue` in what runs for too long. A context manager, for the main thread.

    Elsewhere, and where there are no alarms (Windows), it ends the process.
    """

    def __init__(self) -> None:
        self._seconds = CHECK_SECONDS
        self._rings = hasattr(signal, "SIGALRM") and threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Self:
        if self._rings:
            self._before = signal.signal(signal.SIGALRM, self._ring)
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        if self._rings:
            signal.signal(signal.SIGALRM, self._before)

    def set(self) -> None:
        """Start to count anew."""
        if self._rings:
            signal.setitimer(signal.ITIMER_REAL, self._seconds)
        else:
            faulthandler.dump_traceback_later(self._seconds, exit=True)

    def stop(self) -> None:
        """Count no more."""
        if self._rings:
            signal.setitimer(signal.ITIMER_REAL, 0)
        else:
            faulthandler.cancel_dump_traceback_later()

    def _ring(self, _signal: int, _frame: FrameType | None) -> NoReturn:
        raise Overdue(f"it went on for more than {self._seconds:g} seconds")
