"""Small checks of what may be anything: JSON that was made beside student code. Every fault is a Refused."""

from __future__ import annotations

from typing import Any

from grader.graph import allowed
from grader.graph.program import Refused


def is_int(value: object, low: float, high: float) -> bool:
    """A whole number, not a bool, within bounds."""
    return type(value) is int and low <= value <= high


def shown(value: object) -> str:
    """A hostile value, cut short, for a message."""
    if type(value) is int and abs(value) > allowed.LARGEST_NUMBER:
        return "a huge number"
    if value is None or type(value) in (int, float, bool):
        return repr(value)
    return ascii(value[:60]) if type(value) is str else f"a {type(value).__name__}"


def fields_of(value: object, names: tuple[str, ...], what: str) -> dict[str, Any]:
    """An object with exactly these fields."""
    if type(value) is not dict or set(value) != set(names):
        raise Refused(f"{what} must have exactly the fields {', '.join(names)}.")
    return value


def list_of(value: object, most: int, what: str) -> list[Any]:
    """A list of at most so many entries."""
    if type(value) is not list or len(value) > most:
        raise Refused(f"{what} must be a list of at most {most} entries.")
    return value
