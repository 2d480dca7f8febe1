"""An answer that is bound inside a function alone -> the answer, read as if it stood outside. Beside student code.

It counts where nothing else does: `net = LeNet()` in main(), `self.model = ...` of a class that trains it. The function
is opened (source/opening.py), and of its statements those are run that the name needs.
"""

from __future__ import annotations

import dataclasses
from types import FunctionType
from typing import Any

from torch import Tensor, nn

from grader.source import settings
from grader.source.notebook import Book
from grader.untrusted import naming, roles
from grader.untrusted.makers import Bound, made
from grader.untrusted.roles import Outcome
from grader.untrusted.shelf import Shelf

CLASS = "class "  # before the name of what something stands in, where that is no function

Question = dict[str, Any]


def look(book: Book, question: Question, answer: dict[str, Any], taken: set[str]) -> Outcome:
    """The answer that some function binds, by its name and else by what it does; an empty outcome for none.

    `book`: the submission with its functions opened.
    """
    found = naming.find(book, answer["name"], answer["aliases"], question["id"], lambda: taken, roles.rivals(question))
    definition = book.where(found.name, question["id"]) if found.name else None
    if definition is None or not definition.within:
        return _by_role(book, question, answer, taken) if question["network"] else Outcome()
    settings.forget()
    shelf = Shelf(book, book.slice([found.name], question["id"]), opened=True)
    value = shelf.get(found.name) if shelf.has(found.name) else None
    told = settings.said()
    if not _is_answer(book, question, found.name, value):
        return Outcome()
    return Outcome(found.name, value, f"{found.rule} ({found.place}); {_where(definition.within)}", told=told)


def _by_role(book: Book, question: Question, answer: dict[str, Any], taken: set[str]) -> Outcome:
    inside = {d.name for d in book.definitions if d.within}
    outcome = roles.look(book, question, answer, taken, inside)
    definition = book.where(outcome.name, question["id"]) if outcome.name else None
    if definition is None:
        return Outcome()
    rule = f"{outcome.rule} ({definition.place}); {_where(definition.within)}"
    return dataclasses.replace(outcome, rule=rule)


def _where(within: str) -> str:
    if within.startswith(CLASS):
        return f"it stands within the class {within.removeprefix(CLASS)} and is read as if it stood outside"
    return f"it stands within {within}() and is read as if it stood outside"


def _is_answer(book: Book, question: Question, name: str, value: object) -> bool:
    """Whether what was bound can be judged: a network that was built, or a layer and not what one gave."""
    if not question["network"]:
        return value is not None and not isinstance(value, Tensor) and (isinstance(value, nn.Module) or callable(value))
    builds = isinstance(value, type | FunctionType)
    return isinstance(value, nn.Module) or (builds and _can_be_made(book, question, name, value))


def _can_be_made(book: Book, question: Question, name: str, value: object) -> bool:
    network = question["network"]
    try:
        made(Bound(book, name, value, name), tuple(network["input_shape"]), network["classes"], 0)
    except BaseException:  # noqa: BLE001  # student code; trying is how we find out
        return False
    return True
