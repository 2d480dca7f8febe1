"""A network as its class can be called, or as the submission itself makes it. Beside student code: stdlib and torch.

Theory of operation. A class often cannot be called with nothing: it wants a list of its blocks, or gives a thousand
scores unless told otherwise. What its author means by it stands elsewhere in the file: in `model = LeNet(10, 0.5)`, or
in `def B0(): return EfficientNet(cfg)`. So the ways to a network are tried in turn, and the first whose network maps
the images to scores is taken; the others cost nothing then.

    1. what is bound to the name, required arguments filled from their names (building.py)
    2. the same, its numbers of classes and channels replaced by those that the question gives
    3. the functions, then the objects, that are made with it, at last those that a function binds
    4. where it wants settings (`def __init__(self, args)`): those of the file, else what their names say (settings.py)
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from grader.source import settings
from grader.source.candidates import Candidate
from grader.source.notebook import Book
from grader.untrusted import building
from grader.untrusted.shelf import Shelf

MOST_MAKERS = 8  # functions and objects tried; a file of EfficientNets has one function for each of eight sizes
MOST_SETTINGS = 3  # of a file's own that are tried


class SomethingElse(Exception):
    """What was called makes no network of the class in question; nobody is told, for another way is tried."""


@dataclass(frozen=True)
class Bound:
    """What a submission binds to a name. `label`: what to call it in messages."""

    book: Book
    name: str
    value: object
    label: str


@dataclass(frozen=True)
class Made:
    """A network that maps the question's images to scores, and what is to be said of how it was made."""

    model: nn.Module
    note: str


@dataclass(frozen=True)
class Way:
    """One way to a network. `name`: what to call it in messages; `told`: a sentence without its end."""

    make: Callable[[], nn.Module]
    name: str
    told: str = ""


def made(bound: Bound, shape: tuple[int, ...], classes: int, seed: int) -> Made:
    """The network behind a name, its weights drawn from the seed.

    Raises what the first way raises that builds a network at all, else what the first way raises.
    """
    unbuilt: list[Exception] = []
    unfit: list[Exception] = []
    unset: Exception | None = None
    for way in _ways(bound, classes, shape[0]):
        torch.manual_seed(seed)
        settings.forget()
        try:
            model = way.make()
        except Exception as e:  # noqa: BLE001  # student code; trying is how we find out
            unset = unset or _unset(way.name, e)
            unbuilt.append(e)
            continue
        try:
            note = building.check_output(way.name, model, shape, classes)
        except Exception as e:  # noqa: BLE001  # likewise
            unfit.append(e)
        else:
            return Made(model, "; ".join(filter(None, (way.told, note))))
    raise [*unfit, *([unset] if unset else []), *unbuilt][0]


def _unset(name: str, error: Exception) -> Exception | None:
    """What to say where a setting is lacking; None where that is not what went wrong."""
    if isinstance(error, settings.Unset):
        return building.NotAnAnswer(f"{name} cannot be built: {error}.")
    if isinstance(error, TypeError) and settings.Setting.__name__ in str(error) and settings.unset():
        return building.NotAnAnswer(f"{name} cannot be built: {settings.Unset(' or '.join(settings.unset()))}.")
    return None


def _ways(bound: Bound, classes: int, channels: int) -> Iterator[Way]:
    """The ways to the network, the plainest first."""
    yield from _calls(bound.label, bound.value, classes, channels)
    if isinstance(bound.value, nn.Module):
        return
    yield from _makers(bound, bound.book, classes, channels)
    if bound.book.opened:
        yield from _makers(bound, bound.book.opened, classes, channels)
    yield from _configured(bound, classes, channels)


def _makers(bound: Bound, book: Book, classes: int, channels: int) -> Iterator[Way]:
    """The functions and objects of a submission, as it is or opened, that are made with the class."""
    known = set() if book is bound.book else {m.name for m in bound.book.made_with(bound.name)}
    makers = [m for m in book.made_with(bound.name) if m.name not in known]
    for maker in makers[:MOST_MAKERS]:
        value = _value(book, maker, opened=book is not bound.book)
        if isinstance(value, nn.Module):
            yield Way(lambda m=maker: _object(bound, book, m), maker.name, f"it is made as {maker.name} is")  # type: ignore[misc]
        elif maker.kind == "function" and callable(value):
            for way in _calls(maker.name, value, classes, channels):
                told = "; ".join(filter(None, (f"it is made by {maker.name}()", way.told)))
                yield Way(lambda w=way: _holding(bound, w.make()), way.name, told)  # type: ignore[misc]


def _calls(name: str, value: object, classes: int, channels: int) -> Iterator[Way]:
    """Calling it as it is, and with our numbers in place of its own."""
    yield Way(lambda: building.build_model(name, value, classes, channels), name)
    replaced = building.replaceable(value, classes, channels)
    if replaced:
        told = "; ".join(f"{key} is {new} here, not {old} as by default" for key, (old, new) in replaced.items())
        given = {key: new for key, (_, new) in replaced.items()}
        yield Way(lambda: building.build_model(name, value, classes, channels, given), name, told)


def _configured(bound: Bound, classes: int, channels: int) -> Iterator[Way]:
    """Calling it with the settings that it wants as an argument."""
    value = bound.value
    wanted = [p for p in building.required_of(value) or [] if settings.holds_settings(p)] if callable(value) else []
    if not callable(value) or len(wanted) != 1:
        return
    for name, given in _settings(bound.book):
        call = functools.partial(value, **{wanted[0]: given})
        way = Way(lambda c=call: building.build_model(bound.label, c, classes, channels), bound.label)  # type: ignore[misc]
        yield Way(way.make, way.name, f"{name} is given for {wanted[0]}")
    call = functools.partial(value, **{wanted[0]: settings.Setting(wanted[0], whole=True)})
    yield Way(lambda: building.build_model(bound.label, call, classes, channels), bound.label)


def _settings(book: Book) -> Iterator[tuple[str, object]]:
    """What the submission itself has of settings, with its name: an object, or what a class or function gives."""
    found = [d for d in book.definitions if settings.gives_settings(d.name) and d.kind != "import"]
    for definition in found[:MOST_SETTINGS]:
        shelf = Shelf(book, book.slice([definition.name]))
        value = shelf.get(definition.name) if shelf.has(definition.name) else None
        if callable(value) and building.required_of(value) == []:
            with contextlib.suppress(Exception):  # student code; another way is tried
                yield f"{definition.name}()", value()
        elif value is not None and not callable(value):
            yield definition.name, value


def _value(book: Book, maker: Candidate, *, opened: bool = False) -> object:
    """What a maker's name is bound to; None where its statements raise."""
    shelf = Shelf(book, book.slice([maker.name]), opened=opened)
    return shelf.get(maker.name) if shelf.has(maker.name) else None


def _object(bound: Bound, book: Book, maker: Candidate) -> nn.Module:
    """The network that a statement makes, made anew. Raises what its code raises, or `SomethingElse`."""
    value = _value(book, maker, opened=book is not bound.book)
    return _holding(bound, building.build_model(maker.name, value, 0, 0))


def _holding(bound: Bound, model: object) -> nn.Module:
    """A network that is, or holds, one of the class in question. Raises `SomethingElse`."""
    kinds = {type(m).__qualname__ for m in model.modules()} if isinstance(model, nn.Module) else set()
    if not isinstance(model, nn.Module) or (isinstance(bound.value, type) and bound.value.__qualname__ not in kinds):
        raise SomethingElse
    return model
