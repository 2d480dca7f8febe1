"""Charts as inline SVG: typed functions from values to markup, each with a title and a description.

Every function takes `t`, which gives a text of the page's language by its key.
"""

from grader.charts.layers import LEVELS, difference, gap_marker, place, window
from grader.charts.networks import MATRIX_LIMIT, Dot, Series, class_accuracy, confusion, learning_curve, networks
from grader.charts.points import (
    discrimination,
    distribution,
    points_bar,
    question_bar,
    share_bar,
    sparkline,
    verdict_mix,
)
from grader.charts.svg import WIDTH, Text, marker, percent, short_count

__all__ = [
    "LEVELS",
    "MATRIX_LIMIT",
    "WIDTH",
    "Dot",
    "Series",
    "Text",
    "class_accuracy",
    "confusion",
    "difference",
    "discrimination",
    "distribution",
    "gap_marker",
    "learning_curve",
    "marker",
    "networks",
    "percent",
    "place",
    "points_bar",
    "question_bar",
    "share_bar",
    "short_count",
    "sparkline",
    "verdict_mix",
    "window",
]
