"""Checkpoints where no file can be written: torch.save keeps them in memory, where torch.load finds them again.

Runs beside student code: standard library and torch only. Without namespaces a worker has no folder of its own, and one
that all workers shared would carry notes from one student to the next.
"""

from __future__ import annotations

import functools
import io
import os
import tempfile
from typing import Any

import torch


def install() -> None:
    """Change torch.save and torch.load of this process, if it cannot write to the folder that it is in."""
    if not _can_write():
        _keep_in_memory()


def _can_write() -> bool:
    """By trying: what a folder's mode says is not what the walls say."""
    try:
        tempfile.TemporaryFile(dir=".").close()
    except OSError:
        return False
    return True


def _keep_in_memory() -> None:
    kept: dict[str, bytes] = {}
    write, read = torch.save, torch.load

    @functools.wraps(write)
    def save(obj: object, f: Any, *args: Any, **kwargs: Any) -> None:
        if not isinstance(f, str | os.PathLike):
            write(obj, f, *args, **kwargs)
            return
        memory = io.BytesIO()
        write(obj, memory, *args, **kwargs)
        kept[_name(f)] = memory.getvalue()

    @functools.wraps(read)
    def load(f: Any, *args: Any, **kwargs: Any) -> Any:
        found = kept.get(_name(f)) if isinstance(f, str | os.PathLike) else None
        return read(f if found is None else io.BytesIO(found), *args, **kwargs)

    torch.save, torch.load = save, load


def _name(f: str | os.PathLike[str]) -> str:
    return os.path.abspath(os.fspath(f))  # noqa: PTH100  # resolve() would look at folders that may not be looked at
