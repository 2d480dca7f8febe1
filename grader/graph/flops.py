"""Counts a network's FLOPs and memory. A module of its own: torch's counter loads Triton, 0.1 s of processor time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode


class Whole:
    """In place of a counter's tracker of modules: everything is one."""

    parents = frozenset({"Global"})

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass


class Counter(FlopCounterMode):
    """torch's counter of FLOPs without its hooks on every module of the process, which other threads would run into.

    `made_bytes`: all memory that operations took beside that of the `given` tensors, also inside them: einsum may go
    through far more than it is given and gives back, and a reshape may copy.
    """

    def __init__(self, given: Iterable[Tensor]) -> None:
        super().__init__(display=False)
        self.mod_tracker = Whole()  # type: ignore[assignment]  # all that is asked of it
        self.made_bytes = 0
        self._known: dict[int, torch.UntypedStorage] = {}  # kept, or the next one could have its number
        for tensor in given:
            self._take(tensor)

    def _count_flops(self, func_packet: Any, out: Any, args: Any, kwargs: Any) -> Any:
        """Of each operation that has no smaller parts."""
        for result in out if isinstance(out, list | tuple) else [out]:
            if isinstance(result, Tensor):
                self.made_bytes += self._take(result)
        return super()._count_flops(func_packet, out, args, kwargs)  # type: ignore[no-untyped-call]  # torch gives none

    def _take(self, tensor: Tensor) -> int:
        """Bytes of the tensor's memory, 0 where it is another's or was seen before."""
        storage = tensor.untyped_storage()
        if storage._cdata in self._known:  # noqa: SLF001  # all that tells memory without content apart
            return 0
        self._known[storage._cdata] = storage  # noqa: SLF001  # as above
        return storage.nbytes()
