"""The names that questions ask for -> the names that a student gave. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass

from grader.source.files import Place
from grader.source.flow import Definition
from grader.source.notebook import Book

SHOWN = 6  # names in one message
KINDS = ("class", "function", "assignment", "import")  # of definitions, the likelier answer first


@dataclass(frozen=True)
class Found:
    """The outcome of looking for an answer. `name` is "" when there is none or `several` fit; `rule` is a sentence."""

    name: str
    rule: str
    place: Place | None = None
    several: tuple[Definition, ...] = ()


def find(book: Book, answer: str, aliases: Sequence[str] = (), question: str = "", taken: Container[str] = ()) -> Found:
    """Look for an answer by its name, then by its aliases: patterns matched in full, ignoring case.

    Among several that match an alias a class goes before a function and this before an object, so that `net = Net()`
    beside `class Net` is no riddle. Where there is none, what else is defined is named, but for what is `taken`. What
    `from torch.nn import Linear` binds is a tool, and no answer that goes by another name.
    """
    if exact := book.where(answer, question):
        return Found(answer, f"{answer} was found under its own name", exact.place)
    definitions = {name: d for name, d in _by_name(book, question).items() if d.package != "torch"}
    for alias in [re.escape(answer), *aliases]:
        matching = [d for name, d in definitions.items() if re.fullmatch(alias, name, re.IGNORECASE)]
        for kind in KINDS:
            same = [d for d in matching if d.kind == kind]
            if len(same) == 1:
                return Found(same[0].name, f"{same[0].name} was taken for {answer}, by its name", same[0].place)
            if same:
                names = ", ".join(d.name for d in same)
                return Found("", f"{names} could each be {answer}: rename the right one {answer}", None, tuple(same))
    found = _listed(book, question, [d for d in definitions.values() if d.kind != "import" and d.name not in taken])
    found = found or ("what there is answers other questions" if definitions else "nothing is defined at all")
    return Found("", f"nothing is named {answer} or alike; {found}. Bind your answer to the name {answer}")


def _listed(book: Book, question: str, bound: Sequence[Definition]) -> str:
    """What else is bound, the likelier answers alone where there are any: no loop's variable, no data."""
    likely = {c.name for c in book.candidates(question)}
    rest = sorted(bound, key=lambda d: KINDS.index(d.kind))
    shown = ([d for d in rest if d.name in likely] or rest)[:SHOWN]
    more = f" and {len(bound) - len(shown)} more" if len(bound) > len(shown) else ""
    return f"found instead: {'; '.join(map(str, shown))}{more}" if shown else ""


def _by_name(book: Book, question: str) -> dict[str, Definition]:
    """The definition of each name that `where` would choose."""
    names = dict.fromkeys(d.name for d in book.definitions)
    return {name: place for name in names if (place := book.where(name, question))}
