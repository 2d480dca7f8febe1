"""The pieces of every chart: elements, scales, marks and labels, and numbers as people read them.

One visual language: colours and type come from report.css by class name, so a chart follows light, dark and print and
needs no style attribute. One unit is one CSS pixel on a phone. A series is told apart by its shape as well as its
colour.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Protocol

from markupsafe import Markup, escape

from grader.text import brief

WIDTH = 330.0
TITLE_LIMIT = 60  # characters of a name in a tip or a description
LABEL_ROOM = 76.0  # for a class's name beside a plot
NARROW, BROAD = set("fijlrtI.,:;'|!/()[] "), set("mwMW@%<>+=~#&…")
SHAPES = ("circle", "diamond", "square", "triangle")


class Text(Protocol):
    """Gives a text of the page's language by its key, with the named values filled in."""

    def __call__(self, key: str, **values: object) -> str:
        """The text under `key`."""


@dataclass(frozen=True)
class Scale:
    """Maps low..high to start..end, linearly."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Where a value lies."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def marker(index: int) -> Markup:
    """The mark of the series with this number, for a legend."""
    return tag("svg", mark(index, 8, 8), cls="marker", viewBox="0 0 16 16", aria_hidden="true")


def percent(fraction: float | None) -> str:
    """A fraction as people read it: "60.6 %"; a dash for None."""
    return "\N{EN DASH}" if fraction is None else f"{fraction * 100:.1f}\N{NO-BREAK SPACE}%"


def short_count(number: float) -> str:
    """A large number in two or three digits: 62k, 4.0M, 390M."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:g}"


def svg(height: float, title: str, desc: str, parts: Iterable[Markup], width: float = WIDTH, cls: str = "") -> Markup:
    """A chart: an image with a title and a description for who cannot see it."""
    body = Markup("".join([tag("title", title), tag("desc", desc), *parts]))  # noqa: S704  # each is an element
    return tag("svg", body, cls=f"chart {cls}".strip(), role="img", viewBox=f"0 0 {width:g} {height:g}")


def tag(name: str, body: str | Markup = "", **attributes: str | float) -> Markup:
    """An element; `cls` is its class, an underscore in a name is a hyphen, numbers keep one decimal."""
    written = [f' {_attribute(k)}="{_value(v)}"' for k, v in attributes.items()]
    inner = body if type(body) is Markup else escape(body)
    return Markup(f"<{name}{''.join(written)}>{inner}</{name}>")  # noqa: S704  # every part is ours or escaped


@cache
def _attribute(name: str) -> str:
    return "class" if name == "cls" else name.replace("_", "-")


def _value(value: str | float) -> str:
    return _escaped(value) if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")


@lru_cache(maxsize=4096)
def _escaped(value: str) -> str:
    """An attribute's text; most are classes and come again and again."""
    return str(escape(value))


def mark(index: int, x: float, y: float) -> Markup:
    """The shape of a series around a point."""
    shape, cls = SHAPES[index % len(SHAPES)], f"mark s{index % len(SHAPES)}"
    if shape == "circle":
        return tag("circle", cls=cls, cx=x, cy=y, r=4)
    if shape == "square":
        return tag("rect", cls=cls, x=x - 3.5, y=y - 3.5, width=7, height=7)
    corners = ((0, -5), (5, 0), (0, 5), (-5, 0)) if shape == "diamond" else ((0, -4.5), (4.5, 4), (-4.5, 4))
    return tag("polygon", cls=cls, points=" ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners))


def gridline(y: float, text: str, left: float, right: float) -> list[Markup]:
    """A horizontal line of the grid with its value."""
    line = tag("line", cls="grid", x1=left, x2=right, y1=y, y2=y)
    return [line, tag("text", text, cls="tick", x=left - 6, y=y + 4, text_anchor="end")]


def polyline(points: Sequence[tuple[float, float]]) -> Markup:
    """A curve; a single point is a dot."""
    if len(points) == 1:
        return mark(0, *points[0])
    return tag("polyline", cls="curve", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points))


def label(x: float, y: float, name: str, anchor: str) -> Markup:
    """A class's name beside a plot."""
    return tag("text", short(name), x=x, y=y, text_anchor=anchor)


def short(name: str) -> str:
    """A class's name, cut to the room beside a plot."""
    shown = brief(name, TITLE_LIMIT)
    while length(shown) > LABEL_ROOM:
        shown = shown.removesuffix("…")[:-1] + "…"
    return shown


def length(text: str) -> float:
    """About how long a label is, on the safe side: there is nothing here to measure type with."""
    return sum(map(_advance, text))


def _advance(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 12.5
    if character in BROAD:
        return 11.5
    if character in NARROW:
        return 5.0
    return 8.6 if character.isupper() else 7.7
