"""Charts of networks: accuracy per class, learning, confusion, and networks among one another.

Accuracy always runs from 0 to 100 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from grader.charts.svg import (
    LABEL_ROOM,
    SHAPES,
    TITLE_LIMIT,
    WIDTH,
    Scale,
    Text,
    gridline,
    label,
    length,
    mark,
    percent,
    polyline,
    short,
    short_count,
    svg,
    tag,
)
from grader.model import ClassAccuracy, Epoch
from grader.text import brief

MATRIX_LIMIT = 20  # classes beyond which a confusion matrix cannot be read
DOT = 8.0  # from the middle of one dot to the next
MOST_STEPS = 3  # of them to a side, the first its own place: further off it would seem another size


@dataclass(frozen=True)
class Series:
    """One network's accuracies; the first series of a chart is the student's."""

    title: str
    classes: tuple[ClassAccuracy, ...]


@dataclass(frozen=True)
class Dot:
    """One network among others: `size` (parameters or FLOPs, at least 1), `accuracy` (0 to 1), and whose it is."""

    title: str
    size: int
    accuracy: float


def class_accuracy(series: Sequence[Series], t: Text) -> Markup:
    """Accuracy of each class as a dot with its interval, one row a class, one mark a network."""
    names = [c.name for c in series[0].classes]
    left, right, top, lane = LABEL_ROOM + 8, WIDTH - 12, 8.0, 11.0
    row = lane * len(series) + 9
    bottom = top + row * len(names)
    x = Scale(0, 1, left, right)
    parts = _percent_axis(x, top, bottom)
    for i, name in enumerate(names):
        y = top + row * i
        if i % 2:
            parts.append(tag("rect", cls="band", x=0, y=y, width=WIDTH, height=row))
        parts.append(label(left - 8, y + row / 2 + 4, name, anchor="end"))
        for j, one in enumerate(series):
            parts.extend(_interval(one, i, j, x, y + (row - lane * len(series)) / 2 + lane * (j + 0.5)))
    chance = 1 / len(names)
    parts.append(tag("line", cls="chance", x1=x(chance), x2=x(chance), y1=top, y2=bottom))
    desc = "; ".join(f"{brief(s.title, TITLE_LIMIT)}: {', '.join(_spoken(c, t) for c in s.classes)}" for s in series)
    return svg(bottom + 22, t("chart.classes"), desc, parts)


def learning_curve(curve: Sequence[Epoch], t: Text) -> Markup:
    """Training loss above, training accuracy below, over the epochs."""
    left, right = 40.0, WIDTH - 12
    x = Scale(1, max(len(curve), 2), left, right)
    highest = max(max(e.loss for e in curve), 1e-9) * 1.05
    loss, accuracy = Scale(0, highest, 110, 20), Scale(0, 1, 236, 146)
    parts = [tag("text", t("chart.loss"), x=left, y=12), tag("text", t("chart.training_accuracy"), x=left, y=138)]
    for value in (0.0, highest / 2, highest):
        parts.extend(gridline(loss(value), f"{value:.2g}", left, right))
    for value in (0.0, 0.5, 1.0):
        parts.extend(gridline(accuracy(value), f"{value:.0%}", left, right))
    parts.append(polyline([(x(i), loss(e.loss)) for i, e in enumerate(curve, 1)]))
    parts.append(polyline([(x(i), accuracy(e.accuracy)) for i, e in enumerate(curve, 1)]))
    for epoch in sorted({1, len(curve)}):
        anchor = "start" if epoch == 1 else "end"
        parts.append(tag("text", t("chart.epoch", number=epoch), cls="tick", x=x(epoch), y=254, text_anchor=anchor))
    first, last = curve[0], curve[-1]
    values = {"first": f"{first.loss:.2f}", "last": f"{last.loss:.2f}"}
    desc = t("chart.curve_desc", **values, accuracy=percent(last.accuracy))
    return svg(260, t("chart.curve"), desc, parts)


def confusion(names: Sequence[str], matrix: Sequence[Sequence[int]], t: Text) -> Markup:
    """What the network answered (columns) for the images of each class (rows)."""
    left, top = LABEL_ROOM + 8, 24 + max(length(short(name)) for name in names)
    cell = (WIDTH - left - 2) / len(names)
    parts = [tag("text", t("chart.answered"), cls="tick", x=left, y=12)]
    parts.append(tag("text", t("chart.true"), cls="tick", x=0, y=top - 6))
    for i, name in enumerate(names):
        parts.append(label(left - 8, top + cell * (i + 0.5) + 4, name, anchor="end"))
        x, y = left + cell * (i + 0.5) + 4, top - 6
        parts.append(tag("text", short(name), x=x, y=y, transform=f"rotate(-90 {x:.1f} {y:.1f})"))
    for i, row in enumerate(matrix):
        for j, count in enumerate(row):
            parts.extend(_cell(left + cell * j, top + cell * i, cell, count, sum(row), is_right=i == j))
    return svg(top + cell * len(names) + 2, t("chart.confusion"), _confusions(names, matrix, t), parts)


def networks(
    students: Sequence[Dot], baselines: Sequence[Dot], t: Text, measure: Literal["parameters", "flops"] = "parameters"
) -> Markup:
    """Accuracy against a size (logarithmic): one dot for each distinct network, baselines in their marks."""
    sizes = [max(d.size, 1) for d in (*students, *baselines)]
    low, high = math.floor(math.log10(min(sizes))), math.ceil(math.log10(max(sizes)))
    x, y = Scale(low, max(high, low + 1), 44.0, WIDTH - 12), Scale(0, 1, 200.0, 10.0)
    title = t("chart.networks" if measure == "parameters" else "chart.networks_flops")
    unit = t("chart.parameters" if measure == "parameters" else "chart.flops")
    below = tag("text", unit, cls="tick", x=x.end, y=y.start + 32, text_anchor="end")
    named = ", ".join(brief(b.title, TITLE_LIMIT) for b in baselines)
    desc = t("chart.networks_desc", count=len(students), baselines=named)
    return svg(y.start + 38, title, desc, [*_plane(x, y), below, *_dots(students, baselines, x, y)], cls="scatter")


def _plane(x: Scale, y: Scale) -> Iterator[Markup]:
    """The lines and numbers that the dots lie on."""
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        yield from gridline(y(value), f"{value:.0%}", x.start, x.end)
    for at, name in _powers(int(x.low), int(x.high)):
        anchor = "end" if at == x.high else "middle"
        yield tag("line", cls="grid", x1=x(at), x2=x(at), y1=y.end, y2=y.start)
        yield tag("text", name, cls="tick", x=x(at), y=y.start + 16, text_anchor=anchor)


def _dots(students: Sequence[Dot], baselines: Sequence[Dot], x: Scale, y: Scale) -> list[Markup]:
    """The networks' marks; baselines have their places first, and nothing covers them."""
    placed: list[tuple[float, float]] = []
    marks: list[Markup] = []
    for index, dot in [*enumerate(baselines, 1), *((0, student) for student in students)]:
        tip = tag("title", f"{brief(dot.title, TITLE_LIMIT)}: {percent(dot.accuracy)}, {dot.size:,}")
        placed.append(_free(x(math.log10(max(dot.size, 1))), y(dot.accuracy), placed, (x.start, x.end)))
        marks.append(tag("g", tip + mark(index, *placed[-1])))
    return marks[len(baselines) :] + marks[: len(baselines)]


def _powers(low: int, high: int) -> Iterator[tuple[float, str]]:
    """The marks of a logarithmic axis: the powers of ten, and two and five times each where there are few."""
    for power in range(low, high + 1):
        for times in (1, 2, 5) if high - low < 2 and power < high else (1,):
            yield power + math.log10(times), short_count(times * 10**power)


def _free(x: float, y: float, placed: Sequence[tuple[float, float]], ends: tuple[float, float]) -> tuple[float, float]:
    """The place for a dot nearest to its own where it covers no other, to the side alone: its height is its value."""
    for step in range(MOST_STEPS):
        for sign in (1, -1):
            at = x + sign * step * DOT
            if ends[0] <= at <= ends[1] and all(math.hypot(at - a, y - b) >= DOT for a, b in placed):
                return at, y
    return x, y


def _interval(series: Series, row: int, index: int, x: Scale, y: float) -> list[Markup]:
    """One class of one network: its interval as a line, its accuracy as a mark; nothing when there are no images."""
    one = series.classes[row]
    if one.accuracy is None:
        return []
    parts = []
    if one.low is not None and one.high is not None:
        parts.append(tag("line", cls=f"whisker s{index % len(SHAPES)}", x1=x(one.low), x2=x(one.high), y1=y, y2=y))
    tip = tag("title", f"{brief(series.title, TITLE_LIMIT)}, {brief(one.name, TITLE_LIMIT)}: {percent(one.accuracy)}")
    return [*parts, tag("g", tip + mark(index, x(one.accuracy), y))]


def _percent_axis(x: Scale, top: float, bottom: float) -> list[Markup]:
    """Grid lines and labels of an accuracy axis below a plot."""
    parts = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        anchor = "end" if value == 1 else "middle"
        parts.append(tag("line", cls="grid", x1=x(value), x2=x(value), y1=top, y2=bottom))
        parts.append(
            tag(
                "text",
                f"{value:.0%}",
                cls="tick",
                x=x(value) + (6 if value == 1 else 0),
                y=bottom + 16,
                text_anchor=anchor,
            )
        )
    return parts


def _cell(x: float, y: float, size: float, count: int, total: int, *, is_right: bool) -> list[Markup]:
    """One cell of a confusion matrix, shaded by its share of the row in five steps whose text can be read."""
    share = count / total if total else 0.0
    level = sum(share >= limit for limit in (0.04, 0.12, 0.3, 0.6))
    cls = f"cell c{level}" + (" right" if is_right else "")
    parts = [tag("rect", cls=cls, x=x + 0.5, y=y + 0.5, width=size - 1, height=size - 1)]
    if count:
        parts.append(
            tag("text", str(count), cls=f"count t{level}", x=x + size / 2, y=y + size / 2 + 3.5, text_anchor="middle")
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


def _spoken(one: ClassAccuracy, t: Text) -> str:
    name, value = brief(one.name, TITLE_LIMIT), percent(one.accuracy)
    if one.low is None or one.high is None:
        return f"{name} {value}"
    return t("chart.spoken", name=name, value=value, low=percent(one.low), high=percent(one.high))
