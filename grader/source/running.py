"""Runs statements one by one, so that one that raises does not keep the others from being bound. Standard library only.

An import that finds nothing leaves stand-ins behind, which raise the import's own error when they are used: what needs
the package fails, and the rest does not. Settings that could not be had are lent, as far as their names say what they
must be (settings.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from grader.source import settings
from grader.source.pieces import Block

READERS = {"getattr": settings.attribute, "hasattr": settings.has_attribute}
"""Built-in functions that cannot tell a setting which nothing gives from one that is there."""


class Run:
    """What the statements of a file raised. `errors`: by the names that were not bound, in the statements' order."""

    def __init__(self, unbound: Iterable[str] = ()) -> None:
        self.errors: dict[str, BaseException] = {}
        self._unbound = unbound  # names that nothing seen binds: `from config import *` may

    def block(self, block: Block, namespace: dict[str, Any]) -> None:
        """Run one statement; what it raises is kept, whatever it is."""
        for name, function in READERS.items():
            namespace.setdefault(name, function)
        try:
            exec(block.code, namespace)  # noqa: S102  # this module exists to run it, inside the sandbox
        except ImportError as e:
            for name in block.binds if block.is_import else ():
                namespace.setdefault(name, _lent(name, Missing(e)))
            if not (block.is_import and block.binds):
                self._note(block, e)
                self.lend(self._unbound if block.is_import else block.binds, namespace)
        except BaseException as e:  # noqa: BLE001  # student code raises what it likes, SystemExit included
            self._note(block, e)
            self.lend(block.binds, namespace)

    def lend(self, names: Iterable[str], namespace: dict[str, Any]) -> None:
        """Bind those of the names that are bound to nothing and say what they must be."""
        for name in names:
            if name not in namespace and (value := settings.lent(name)) is not None:
                namespace[name] = value

    def _note(self, block: Block, error: BaseException) -> None:
        for name in block.binds or ("",):
            self.errors[name] = error

    def error_of(self, name: str) -> BaseException:
        """Why a name is not bound: what its own statement raised, or what came first if that only lacks a name."""
        own = self.errors.get(name, NameError(f"{name} was not bound"))
        return next(iter(self.errors.values()), own) if isinstance(own, NameError) else own

    def cause_of(self, error: BaseException) -> BaseException:
        """What a name's own statement raised, where `error` only says that the name is not there."""
        seen: set[str] = set()
        while isinstance(error, NameError) and error.name in self.errors and error.name not in seen:
            seen.add(error.name)
            error = self.errors[error.name]
        return error

    def raise_for(self, name: str) -> NoReturn:
        """What a module answers when it is asked for a name that it has not."""
        if name in self.errors:
            raise self.errors[name]
        raise AttributeError(name)


def _lent(name: str, otherwise: object) -> object:
    value = settings.lent(name)
    return otherwise if value is None else value


class Missing:
    """Stands for a name that an import should have bound. Any use of it raises the import's own error."""

    def __init__(self, error: ImportError) -> None:
        self.__dict__["error"] = error

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: ARG002  # takes everything
        """The import's own error."""
        raise self.__dict__["error"]

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise self.__dict__["error"]

    def __mro_entries__(self, bases: tuple[object, ...]) -> NoReturn:
        raise self.__dict__["error"]
