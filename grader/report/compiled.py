"""Compiled templates, kept beside their sources as Python keeps its modules: compiling takes longer than 15 pages."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from jinja2.bccache import Bucket, FileSystemBytecodeCache

from grader import __version__


class Compiled(FileSystemBytecodeCache):
    """What was compiled from a folder's templates; where the folder cannot be written, they are compiled each time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "__pycache__"
        super().__init__(str(self._folder), f"%s.{sys.implementation.cache_tag}.jinja")

    def get_source_checksum(self, source: str) -> str:
        """A digest of the template and of the engine: both decide what is compiled."""
        return super().get_source_checksum(f"{__version__}\n{source}")

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep it, as far as Python would."""
        if sys.dont_write_bytecode:
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            super().dump_bytecode(bucket)
