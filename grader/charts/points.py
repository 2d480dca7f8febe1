"""Charts of points: how many are reached, and how a class has them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from markupsafe import Markup

from grader.charts.svg import WIDTH, Scale, Text, mark, svg, tag


@lru_cache(maxsize=1024)  # a class has the same few again and again
def points_bar(points: float, pending: float, maximum: float, t: Text) -> Markup:
    """How much of the maximum is reached, pending and lost."""
    scale = WIDTH / maximum if maximum else 0.0
    reached, waiting = points * scale, pending * scale
    parts = [
        tag("rect", cls="track", x=0, y=0, width=WIDTH, height=12, rx=3),
        tag("rect", cls="reached", x=0, y=0, width=reached, height=12, rx=3),
        tag("rect", cls="waiting", x=reached, y=0, width=waiting, height=12, rx=3),
    ]
    desc = t("chart.points_desc", points=f"{points:g}", max=f"{maximum:g}", pending=f"{pending:g}")
    return svg(12, t("chart.points"), desc, parts)


def distribution(
    counts: Sequence[int], maximum: float, t: Text, of: Literal["points", "likeness"] = "points"
) -> Markup:
    """How many students have how many points (or how much likeness): one bar for each equal part of the maximum."""
    left, right, top, bottom = 4.0, WIDTH - 4, 20.0, 120.0
    width = (right - left) / len(counts)
    height = Scale(0, max(*counts, 1), 0, bottom - top)
    parts = [tag("line", cls="axis", x1=left, x2=right, y1=bottom, y2=bottom)]
    for i, count in enumerate(counts):
        x = left + width * i
        if count:
            parts.append(
                tag("rect", cls="bar", x=x + 2, y=bottom - height(count), width=width - 4, height=height(count))
            )
            parts.append(tag("text", str(count), x=x + width / 2, y=bottom - height(count) - 5, text_anchor="middle"))
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        parts.append(
            tag(
                "text",
                f"{maximum * share:g}",
                cls="tick",
                x=left + (right - left) * share,
                y=bottom + 16,
                text_anchor=anchor,
            )
        )
    title = t("chart.distribution" if of == "points" else "chart.likeness")
    return svg(bottom + 22, title, _bins(counts, maximum, t, of), parts)


def sparkline(counts: Sequence[int], maximum: float, t: Text) -> Markup:
    """The distribution of one question, small enough for a table's cell."""
    width, height = 110.0, 26.0
    step, tallest = width / len(counts), max(*counts, 1)
    parts = [tag("line", cls="axis", x1=0, x2=width, y1=height, y2=height)]
    for i, count in enumerate(counts):
        tall = (height - 2) * count / tallest
        if count:
            parts.append(tag("rect", cls="bar", x=step * i + 1, y=height - tall, width=step - 2, height=tall))
    return svg(height, t("chart.distribution"), _bins(counts, maximum, t), parts, width=width, cls="spark")


def share_bar(count: int, total: int, tone: str, t: Text) -> Markup:
    """A bar for `count` of `total`; `tone` is good, bad, wait or mute."""
    width = 110.0
    parts = [
        tag("rect", cls="track", x=0, y=0, width=width, height=10, rx=2),
        tag("rect", cls=f"fill-{tone}", x=0, y=0, width=width * count / total if total else 0, height=10, rx=2),
    ]
    title = t("chart.share", count=count, total=total)
    return svg(10, title, title, parts, width=width, cls="spark")


@lru_cache(maxsize=1024)  # as above
def question_bar(points: float, pending: float, maximum: float, t: Text) -> Markup:
    """`points_bar` of one question, small enough for a table's cell."""
    width = 110.0
    scale = width / maximum if maximum else 0.0
    parts = [
        tag("rect", cls="track", x=0, y=0, width=width, height=10, rx=2),
        tag("rect", cls="reached", x=0, y=0, width=points * scale, height=10, rx=2),
        tag("rect", cls="waiting", x=points * scale, y=0, width=pending * scale, height=10, rx=2),
    ]
    desc = t("chart.points_desc", points=f"{points:g}", max=f"{maximum:g}", pending=f"{pending:g}")
    return svg(10, t("chart.points"), desc, parts, width=width, cls="spark")


def discrimination(value: float, low: float, high: float, t: Text) -> Markup:
    """A correlation with its interval on a scale from -1 to 1; the line in the middle is none at all."""
    width, y = 110.0, 7.0
    x = Scale(-1, 1, 3, width - 3)
    parts = [
        tag("line", cls="axis", x1=x(-1), x2=x(1), y1=y, y2=y),
        tag("line", cls="chance", x1=x(0), x2=x(0), y1=0, y2=2 * y),
        tag("line", cls="whisker s0", x1=x(low), x2=x(high), y1=y, y2=y),
        mark(0, x(value), y),
    ]
    desc = t("chart.discrimination_desc", value=f"{value:+.2f}", low=f"{low:+.2f}", high=f"{high:+.2f}")
    return svg(2 * y, t("chart.discrimination"), desc, parts, width=width, cls="spark")


def verdict_mix(counts: Sequence[tuple[str, int]], t: Text) -> Markup:
    """How verdicts share a question's checks: a part for each (tone, count), in the order given."""
    width, gap, total = 110.0, 1.0, sum(count for _, count in counts)
    parts, x = [], 0.0
    for tone, count in counts:
        part = width * count / total
        parts.append(tag("rect", cls=f"fill-{tone}", x=x, y=0, width=max(part - gap, 0.5), height=10))
        x += part
    title = t("chart.mix", total=total)
    return svg(10, title, title, parts, width=width, cls="spark")


def _bins(counts: Sequence[int], maximum: float, t: Text, of: Literal["points", "likeness"] = "points") -> str:
    """A histogram in words."""
    step, key = maximum / len(counts), "chart.bin" if of == "points" else "chart.bin_likeness"
    filled = ((i, n) for i, n in enumerate(counts) if n)
    return "; ".join(t(key, low=f"{step * i:.3g}", high=f"{step * (i + 1):.3g}", count=n) for i, n in filled) or t(
        "chart.nobody"
    )
