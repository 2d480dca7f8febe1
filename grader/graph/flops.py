"""Counts the FLOPs of a network. A module of its own because torch's counter loads Triton: 0.1 s of processor time."""

from __future__ import annotations

from torch.utils.flop_counter import FlopCounterMode


class Whole:
    """In place of a counter's tracker of modules: everything is one."""

    parents = frozenset({"Global"})

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass


class Counter(FlopCounterMode):
    """torch's counter of FLOPs without its hooks on every module of the process, which other threads would run into."""

    def __init__(self) -> None:
        super().__init__(display=False)
        self.mod_tracker = Whole()  # type: ignore[assignment]  # all that is asked of it
