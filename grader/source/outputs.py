"""Notebooks without what their cells showed, for whoever reads only code. Trusted: it reads text and runs nothing.

Plots kept as outputs make notebooks of 60 MB, of which a few kilobytes are code. They are dropped once, here, and so
never cross to a worker, of which each network has its own. What cannot be read as a notebook is left as it is: the
worker says what is wrong with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from grader.model import File

WORTHWHILE_BYTES = 1 << 20
SHOWN = ("outputs", "attachments")


def without(files: Iterable[File]) -> tuple[File, ...]:
    """The files, the large notebooks among them without outputs and pasted images; all else as it was handed in."""
    return tuple(File(f.name, _code_of(f.data)) if _is_large(f) else f for f in files)


def _is_large(file: File) -> bool:
    return file.name.lower().endswith(".ipynb") and len(file.data) > WORTHWHILE_BYTES


def _code_of(data: bytes) -> bytes:
    try:
        book = json.loads(data.decode("utf-8-sig"))
        for cell in _cells(book):
            for key in SHOWN:
                cell.pop(key, None)
        return json.dumps(book).encode()
    except (ValueError, RecursionError, MemoryError):
        return data


def _cells(book: Any) -> Iterable[dict[str, Any]]:
    """The cells of a notebook of format 3 or 4, wherever they stand."""
    sheets = book.get("worksheets") if isinstance(book, dict) else None
    holders = [book, *(sheets if isinstance(sheets, list) else [])]
    lists = [h["cells"] for h in holders if isinstance(h, dict) and isinstance(h.get("cells"), list)]
    return (cell for cells in lists for cell in cells if isinstance(cell, dict))
