"""Charts as inline SVG: typed functions from values to markup, each with a title and a description.

One visual language: colours and type come from report.css by class name, so a chart follows light, dark and print and
needs no style attribute. One unit is one CSS pixel on a phone. Accuracy always runs from 0 to 100 %. A series is told
apart by its shape as well as its colour. Every function takes `t`, which gives a text by its key.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from markupsafe import Markup, escape

from grader.model import ClassAccuracy, Epoch
from grader.text import brief

WIDTH = 330.0
TITLE_LIMIT = 60  # characters of a name in a tip or a description
LABEL_ROOM = 76.0  # for a class's name beside a plot
NARROW, BROAD = set("fijlrtI.,:;'|!/()[] "), set("mwMW@%<>+=~#&…")
MATRIX_LIMIT = 20  # classes beyond which a confusion matrix cannot be read
SHAPES = ("circle", "diamond", "square", "triangle")


class Text(Protocol):
    """Gives a text of the page's language by its key, with the named values filled in."""

    def __call__(self, key: str, **values: object) -> str:
        """The text under `key`."""


@dataclass(frozen=True)
class Series:
    """One network's accuracies; the first series of a chart is the student's."""

    title: str
    classes: tuple[ClassAccuracy, ...]


@dataclass(frozen=True)
class Dot:
    """One network among others: `parameters` (at least 1), `accuracy` (0 to 1), and who handed it in."""

    title: str
    parameters: int
    accuracy: float


def marker(index: int) -> Markup:
    """The mark of the series with this number, for a legend."""
    return _tag("svg", _mark(index, 8, 8), cls="marker", viewBox="0 0 16 16", aria_hidden="true")


def points_bar(points: float, pending: float, maximum: float, t: Text) -> Markup:
    """How much of the maximum is reached, pending and lost."""
    scale = WIDTH / maximum if maximum else 0.0
    reached, waiting = points * scale, pending * scale
    parts = [
        _tag("rect", cls="track", x=0, y=0, width=WIDTH, height=12, rx=3),
        _tag("rect", cls="reached", x=0, y=0, width=reached, height=12, rx=3),
        _tag("rect", cls="waiting", x=reached, y=0, width=waiting, height=12, rx=3),
    ]
    desc = t("chart.points_desc", points=f"{points:g}", max=f"{maximum:g}", pending=f"{pending:g}")
    return _svg(12, t("chart.points"), desc, parts)


def class_accuracy(series: Sequence[Series], t: Text) -> Markup:
    """Accuracy of each class as a dot with its interval, one row a class, one mark a network."""
    names = [c.name for c in series[0].classes]
    left, right, top, lane = LABEL_ROOM + 8, WIDTH - 12, 8.0, 11.0
    row = lane * len(series) + 9
    bottom = top + row * len(names)
    x = _Scale(0, 1, left, right)
    parts = _percent_axis(x, top, bottom)
    for i, name in enumerate(names):
        y = top + row * i
        if i % 2:
            parts.append(_tag("rect", cls="band", x=0, y=y, width=WIDTH, height=row))
        parts.append(_label(left - 8, y + row / 2 + 4, name, anchor="end"))
        for j, one in enumerate(series):
            parts.extend(_interval(one, i, j, x, y + (row - lane * len(series)) / 2 + lane * (j + 0.5)))
    chance = 1 / len(names)
    parts.append(_tag("line", cls="chance", x1=x(chance), x2=x(chance), y1=top, y2=bottom))
    desc = "; ".join(f"{brief(s.title, TITLE_LIMIT)}: {', '.join(_spoken(c, t) for c in s.classes)}" for s in series)
    return _svg(bottom + 22, t("chart.classes"), desc, parts)


def learning_curve(curve: Sequence[Epoch], t: Text) -> Markup:
    """Training loss above, training accuracy below, over the epochs."""
    left, right = 40.0, WIDTH - 12
    x = _Scale(1, max(len(curve), 2), left, right)
    highest = max(max(e.loss for e in curve), 1e-9) * 1.05
    loss, accuracy = _Scale(0, highest, 110, 20), _Scale(0, 1, 236, 146)
    parts = [_tag("text", t("chart.loss"), x=left, y=12), _tag("text", t("chart.training_accuracy"), x=left, y=138)]
    for value in (0.0, highest / 2, highest):
        parts.extend(_gridline(loss(value), f"{value:.2g}", left, right))
    for value in (0.0, 0.5, 1.0):
        parts.extend(_gridline(accuracy(value), f"{value:.0%}", left, right))
    parts.append(_polyline([(x(i), loss(e.loss)) for i, e in enumerate(curve, 1)]))
    parts.append(_polyline([(x(i), accuracy(e.accuracy)) for i, e in enumerate(curve, 1)]))
    for epoch in sorted({1, len(curve)}):
        anchor = "start" if epoch == 1 else "end"
        parts.append(_tag("text", t("chart.epoch", number=epoch), cls="tick", x=x(epoch), y=254, text_anchor=anchor))
    first, last = curve[0], curve[-1]
    values = {"first": f"{first.loss:.2f}", "last": f"{last.loss:.2f}"}
    desc = t("chart.curve_desc", **values, accuracy=percent(last.accuracy))
    return _svg(260, t("chart.curve"), desc, parts)


def confusion(names: Sequence[str], matrix: Sequence[Sequence[int]], t: Text) -> Markup:
    """What the network answered (columns) for the images of each class (rows)."""
    left, top = LABEL_ROOM + 8, 24 + max(_length(_short(name)) for name in names)
    cell = (WIDTH - left - 2) / len(names)
    parts = [_tag("text", t("chart.answered"), cls="tick", x=left, y=12)]
    parts.append(_tag("text", t("chart.true"), cls="tick", x=0, y=top - 6))
    for i, name in enumerate(names):
        parts.append(_label(left - 8, top + cell * (i + 0.5) + 4, name, anchor="end"))
        x, y = left + cell * (i + 0.5) + 4, top - 6
        parts.append(_tag("text", _short(name), x=x, y=y, transform=f"rotate(-90 {x:.1f} {y:.1f})"))
    for i, row in enumerate(matrix):
        for j, count in enumerate(row):
            parts.extend(_cell(left + cell * j, top + cell * i, cell, count, sum(row), is_right=i == j))
    return _svg(top + cell * len(names) + 2, t("chart.confusion"), _confusions(names, matrix, t), parts)


def distribution(counts: Sequence[int], maximum: float, t: Text) -> Markup:
    """How many students have how many points: one bar for each equal part of the maximum."""
    left, right, top, bottom = 4.0, WIDTH - 4, 20.0, 120.0
    width = (right - left) / len(counts)
    height = _Scale(0, max(*counts, 1), 0, bottom - top)
    parts = [_tag("line", cls="axis", x1=left, x2=right, y1=bottom, y2=bottom)]
    for i, count in enumerate(counts):
        x = left + width * i
        if count:
            parts.append(
                _tag("rect", cls="bar", x=x + 2, y=bottom - height(count), width=width - 4, height=height(count))
            )
            parts.append(_tag("text", str(count), x=x + width / 2, y=bottom - height(count) - 5, text_anchor="middle"))
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        parts.append(
            _tag(
                "text",
                f"{maximum * share:g}",
                cls="tick",
                x=left + (right - left) * share,
                y=bottom + 16,
                text_anchor=anchor,
            )
        )
    return _svg(bottom + 22, t("chart.distribution"), _bins(counts, maximum, t), parts)


def sparkline(counts: Sequence[int], maximum: float, t: Text) -> Markup:
    """The distribution of one question, small enough for a table's cell."""
    width, height = 110.0, 26.0
    step, tallest = width / len(counts), max(*counts, 1)
    parts = [_tag("line", cls="axis", x1=0, x2=width, y1=height, y2=height)]
    for i, count in enumerate(counts):
        tall = (height - 2) * count / tallest
        if count:
            parts.append(_tag("rect", cls="bar", x=step * i + 1, y=height - tall, width=step - 2, height=tall))
    return _svg(height, t("chart.distribution"), _bins(counts, maximum, t), parts, width=width, cls="spark")


def share_bar(count: int, total: int, tone: str, t: Text) -> Markup:
    """A bar for `count` of `total`; `tone` is good, bad, wait or mute."""
    width = 110.0
    parts = [
        _tag("rect", cls="track", x=0, y=0, width=width, height=10, rx=2),
        _tag("rect", cls=f"fill-{tone}", x=0, y=0, width=width * count / total if total else 0, height=10, rx=2),
    ]
    title = t("chart.share", count=count, total=total)
    return _svg(10, title, title, parts, width=width, cls="spark")


def networks(students: Sequence[Dot], baselines: Sequence[Dot], t: Text) -> Markup:
    """Accuracy against the number of parameters (logarithmic), one dot a student, baselines in their marks."""
    left, right, top, bottom = 44.0, WIDTH - 12, 10.0, 200.0
    sizes = [max(d.parameters, 1) for d in (*students, *baselines)]
    low, high = math.floor(math.log10(min(sizes))), math.ceil(math.log10(max(sizes)))
    x, y = _Scale(low, max(high, low + 1), left, right), _Scale(0, 1, bottom, top)
    parts: list[Markup] = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.extend(_gridline(y(value), f"{value:.0%}", left, right))
    for power in range(int(x.low), int(x.high) + 1):
        anchor = "end" if power == x.high else "middle"
        parts.append(_tag("line", cls="grid", x1=x(power), x2=x(power), y1=top, y2=bottom))
        parts.append(_tag("text", short_count(10**power), cls="tick", x=x(power), y=bottom + 16, text_anchor=anchor))
    parts.append(_tag("text", t("chart.parameters"), cls="tick", x=right, y=bottom + 32, text_anchor="end"))
    for index, dots in [(0, students), *((i, [b]) for i, b in enumerate(baselines, 1))]:
        for dot in dots:
            tip = _tag("title", f"{brief(dot.title, TITLE_LIMIT)}: {percent(dot.accuracy)}, {dot.parameters:,}")
            parts.append(_tag("g", tip + _mark(index, x(math.log10(max(dot.parameters, 1))), y(dot.accuracy))))
    desc = t(
        "chart.networks_desc", count=len(students), baselines=", ".join(brief(b.title, TITLE_LIMIT) for b in baselines)
    )
    return _svg(bottom + 38, t("chart.networks"), desc, parts, cls="scatter")


def percent(fraction: float | None) -> str:
    """A fraction as people read it: "60.6 %"; a dash for None."""
    return "\N{EN DASH}" if fraction is None else f"{fraction * 100:.1f}\N{NO-BREAK SPACE}%"


def short_count(number: float) -> str:
    """A large number in two or three digits: 62k, 4.0M, 390M."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:g}"


@dataclass(frozen=True)
class _Scale:
    """Maps low..high to start..end, linearly."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def _svg(height: float, title: str, desc: str, parts: Iterable[Markup], width: float = WIDTH, cls: str = "") -> Markup:
    body = _tag("title", title) + _tag("desc", desc) + Markup("").join(parts)
    return _tag("svg", body, cls=f"chart {cls}".strip(), role="img", viewBox=f"0 0 {width:g} {height:g}")


def _tag(name: str, body: str | Markup = "", **attributes: str | float) -> Markup:
    """An element; `cls` is its class, an underscore in a name is a hyphen, numbers keep one decimal."""
    written = "".join(f' {_attribute(k)}="{_value(v)}"' for k, v in attributes.items())
    return Markup(f"<{name}{written}>{escape(body)}</{name}>")  # noqa: S704  # every part is ours or escaped


@cache
def _attribute(name: str) -> str:
    return "class" if name == "cls" else name.replace("_", "-")


def _value(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else f"{round(value, 1):g}"


def _mark(index: int, x: float, y: float) -> Markup:
    """The shape of a series around a point."""
    shape, cls = SHAPES[index % len(SHAPES)], f"mark s{index % len(SHAPES)}"
    if shape == "circle":
        return _tag("circle", cls=cls, cx=x, cy=y, r=4)
    if shape == "square":
        return _tag("rect", cls=cls, x=x - 3.5, y=y - 3.5, width=7, height=7)
    corners = ((0, -5), (5, 0), (0, 5), (-5, 0)) if shape == "diamond" else ((0, -4.5), (4.5, 4), (-4.5, 4))
    return _tag("polygon", cls=cls, points=" ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners))


def _interval(series: Series, row: int, index: int, x: _Scale, y: float) -> list[Markup]:
    """One class of one network: its interval as a line, its accuracy as a mark; nothing when there are no images."""
    one = series.classes[row]
    if one.accuracy is None:
        return []
    parts = []
    if one.low is not None and one.high is not None:
        parts.append(_tag("line", cls=f"whisker s{index % len(SHAPES)}", x1=x(one.low), x2=x(one.high), y1=y, y2=y))
    tip = _tag("title", f"{brief(series.title, TITLE_LIMIT)}, {brief(one.name, TITLE_LIMIT)}: {percent(one.accuracy)}")
    return [*parts, _tag("g", tip + _mark(index, x(one.accuracy), y))]


def _percent_axis(x: _Scale, top: float, bottom: float) -> list[Markup]:
    """Grid lines and labels of an accuracy axis below a plot."""
    parts = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        anchor = "end" if value == 1 else "middle"
        parts.append(_tag("line", cls="grid", x1=x(value), x2=x(value), y1=top, y2=bottom))
        parts.append(
            _tag(
                "text",
                f"{value:.0%}",
                cls="tick",
                x=x(value) + (6 if value == 1 else 0),
                y=bottom + 16,
                text_anchor=anchor,
            )
        )
    return parts


def _gridline(y: float, text: str, left: float, right: float) -> list[Markup]:
    line = _tag("line", cls="grid", x1=left, x2=right, y1=y, y2=y)
    return [line, _tag("text", text, cls="tick", x=left - 6, y=y + 4, text_anchor="end")]


def _polyline(points: Sequence[tuple[float, float]]) -> Markup:
    """A curve; a single point is a dot."""
    if len(points) == 1:
        return _mark(0, *points[0])
    return _tag("polyline", cls="curve", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points))


def _cell(x: float, y: float, size: float, count: int, total: int, *, is_right: bool) -> list[Markup]:
    """One cell of a confusion matrix, shaded by its share of the row in five steps whose text can be read."""
    share = count / total if total else 0.0
    level = sum(share >= limit for limit in (0.04, 0.12, 0.3, 0.6))
    cls = f"cell c{level}" + (" right" if is_right else "")
    parts = [_tag("rect", cls=cls, x=x + 0.5, y=y + 0.5, width=size - 1, height=size - 1)]
    if count:
        parts.append(
            _tag("text", str(count), cls=f"count t{level}", x=x + size / 2, y=y + size / 2 + 3.5, text_anchor="middle")
        )
    return parts


def _confusions(names: Sequence[str], matrix: Sequence[Sequence[int]], t: Text) -> str:
    """The three most frequent mistakes, in words."""
    wrong = [(count, i, j) for i, row in enumerate(matrix) for j, count in enumerate(row) if i != j and count]
    worst = sorted(wrong, key=lambda w: (-w[0], w[1], w[2]))[:3]
    return "; ".join(
        t("chart.confused", count=n, true=brief(names[i], TITLE_LIMIT), answer=brief(names[j], TITLE_LIMIT))
        for n, i, j in worst
    ) or t("chart.unconfused")


def _bins(counts: Sequence[int], maximum: float, t: Text) -> str:
    """A histogram in words."""
    step = maximum / len(counts)
    filled = ((i, n) for i, n in enumerate(counts) if n)
    return "; ".join(
        t("chart.bin", low=f"{step * i:.3g}", high=f"{step * (i + 1):.3g}", count=n) for i, n in filled
    ) or t("chart.nobody")


def _spoken(one: ClassAccuracy, t: Text) -> str:
    name, value = brief(one.name, TITLE_LIMIT), percent(one.accuracy)
    if one.low is None or one.high is None:
        return f"{name} {value}"
    return t("chart.spoken", name=name, value=value, low=percent(one.low), high=percent(one.high))


def _label(x: float, y: float, name: str, anchor: str) -> Markup:
    return _tag("text", _short(name), x=x, y=y, text_anchor=anchor)


def _short(name: str) -> str:
    """A class's name, cut to the room beside a plot."""
    shown = brief(name, TITLE_LIMIT)
    while _length(shown) > LABEL_ROOM:
        shown = shown.removesuffix("…")[:-1] + "…"
    return shown


def _length(text: str) -> float:
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
