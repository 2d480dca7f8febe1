"""The names that questions ask for -> the names that a student gave. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass

from grader.source.files import Place
from grader.source.flow import Definition
from grader.source.notebook import Book

SHOWN = 6  # names in one message
TOOLS = ("torch", "torchvision")  # packages whose names are no answers, unless they are bound to the name asked for
KINDS = ("class", "function", "assignment", "import")  # of definitions, the likelier answer first


@dataclass(frozen=True)
class Found:
    """The outcome of looking for an answer. `name` is "" when there is none or `several` fit; `rule` is a sentence.

    `near`: what to say after it of networks whose names are like it.
    """

    name: str
    rule: str
    place: Place | None = None
    several: tuple[Definition, ...] = ()
    near: str = ""


def find(
    book: Book,
    answer: str,
    aliases: Sequence[str] = (),
    question: str = "",
    taken: Callable[[], Container[str]] = frozenset,
    rivals: Sequence[str] = (),
) -> Found:
    """Look for an answer by its name, then by its aliases: patterns matched in full, ignoring case.

    Among several that match an alias a class goes before a function and this before an object, so that `net = Net()`
    beside `class Net` is no riddle. Where there is none, what else is defined is named, but for what is `taken`, asked
    for only then. What `from torch.nn import Linear` binds is a tool, and no answer that goes by another name; nor is
    `net` that is made by calling what has the name of another answer, one of the `rivals`: `net = EfficientNetB0()`.
    """
    if exact := book.where(answer, question):
        near = _near(book, answer, aliases, answer)
        return Found(answer, f"{answer} was found under its own name", exact.place, near=near)
    definitions = {name: d for name, d in _by_name(book, question).items() if d.package not in TOOLS}
    for alias in [re.escape(answer), *aliases]:
        matching = [d for name, d in definitions.items() if re.fullmatch(alias, name, re.IGNORECASE)]
        matching = [d for d in matching if not _is_rivals(book.called_for(d.name, question), rivals)]
        for kind in KINDS:
            same = [d for d in matching if d.kind == kind]
            if len(same) == 1:
                rule, near = f"{same[0].name} was taken for {answer}, by its name", ""
                near = _near(book, answer, aliases, same[0].name)
                return Found(same[0].name, rule, same[0].place, near=near)
            if same:
                names = listed([d.name for d in same])
                return Found("", f"{names} could each be {answer}: rename the right one {answer}", None, tuple(same))
    others = taken()
    found = _listed(book, question, [d for d in definitions.values() if d.kind != "import" and d.name not in others])
    found = found or ("what there is answers other questions" if definitions else "nothing is defined at all")
    return Found("", f"nothing is named {answer} or alike; {found}. Bind your answer to the name {answer}")


def listed(names: Sequence[str]) -> str:
    """Names in a message: the first of many."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _is_rivals(called: Iterable[str], rivals: Sequence[str]) -> bool:
    """Whether what is called has the name of another answer."""
    return any(re.fullmatch(rival, name, re.IGNORECASE) for rival in rivals for name in called)


def _near(book: Book, answer: str, aliases: Sequence[str], taken: str) -> str:
    """What to say of the networks that were not taken and whose names are as near as the first alias; "" for none."""
    networks = [c.name for c in book.candidates() if c.kind == "module" and c.name != taken]
    alike = "|".join([re.escape(answer), *aliases[:1]])
    names = [name for name in networks if re.fullmatch(alike, name, re.IGNORECASE)]
    used = {c.name for name in names for c in book.made_with(name)}
    others = [] if taken in used else names[:SHOWN]
    if not others:
        return ""
    return f"; {', '.join(others)} {'is' if len(others) == 1 else 'are'} like it in name and not taken"


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
