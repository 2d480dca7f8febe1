"""A piece that has been run: its names, and what its statements raised. Runs student code: standard library only."""

from __future__ import annotations

import sys
import traceback
import types
from pathlib import Path

from grader.source.notebook import Book, Piece
from grader.source.running import Run

DETAIL_CHARACTERS = 4000
OWN_CODE = str(Path(__file__).resolve().parent.parent)


class Shelf:
    """The names that running a piece gave. `opened`: what nothing binds may be a parameter of a function."""

    def __init__(self, book: Book, piece: Piece, *, opened: bool = False) -> None:
        self._spaces = {file: book.space(file) for file in {block.space for block in piece.blocks}}
        self._found = piece.found
        self._run = Run([name for names in piece.unbound.values() for name in names])
        for file, space in self._spaces.items():
            sys.modules.setdefault(space.__name__, space)  # dataclasses look their module up
            self._run.lend([*piece.left[file], *(piece.unbound[file] if opened else ())], space.__dict__)
        for block in piece.blocks:
            self._run.block(block, self._spaces[block.space].__dict__)

    def error_of(self, name: str) -> BaseException:
        """Why a name is not bound."""
        return self._run.error_of(name)

    def cause_of(self, error: BaseException) -> BaseException:
        """What made `error`, where that is only a name that was not bound."""
        return self._run.cause_of(error)

    def has(self, name: str) -> bool:
        """Whether the name is bound."""
        return name in self._found and self._found[name] in self._spaces and hasattr(self._space(name), name)

    def get(self, name: str) -> object:
        """What the name is bound to."""
        return getattr(self._space(name), name)

    def anywhere(self, name: str) -> object:
        """What any file binds to the name, though reading saw no binding of it; None for nothing."""
        return next((getattr(s, name) for s in self._spaces.values() if hasattr(s, name)), None)

    def _space(self, name: str) -> types.ModuleType:
        return self._spaces[self._found[name]]


def described(error: BaseException) -> dict[str, str]:
    """An exception as the student needs it: its type, its text, and the lines of the student's own that led to it."""
    kind = type(error).__name__
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001  # an exception of a student's may fail to print
        text = "(it cannot be printed)"
    if isinstance(error, ImportError) and error.path and not _is_students(error.path):
        text = text.replace(f" ({error.path})", "")  # a place on this machine
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_students(f.filename)]
    if isinstance(error, SyntaxError) and error.lineno and not frames:
        text = f"{error.msg} (line {error.lineno})"
    lines = traceback.format_list(frames) if frames else []
    detail = "".join([*lines, f"{kind}: {text}"])
    where = f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else ""
    package = str(error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    notes = getattr(error, "__notes__", None)
    if isinstance(notes, list):
        text = " ".join([f"{text.rstrip('.')}.", *(str(n) for n in notes)])
    shown = {"message": text[:DETAIL_CHARACTERS], "detail": detail[-DETAIL_CHARACTERS:]}
    return {"type": kind, "where": where, "package": package, **shown}


def _is_students(filename: str) -> bool:
    return not (filename.startswith((OWN_CODE, sys.prefix, sys.base_prefix, "<frozen")) or "site-packages" in filename)
