"""The charts: where marks are, what is said in words, and that they hold only what they may."""

import re
from collections.abc import Callable
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from markupsafe import Markup

from grader import charts, content
from grader.charts import Dot, Series
from grader.model import ClassAccuracy, Difference, Epoch, Window
from grader.report.wording import strings
from tests import gradebooks

T = strings("en")
HOSTILE = "</title><script>alert(1)</script>"
LENET = gradebooks.model("q6_lenet", "LeNet", gradebooks.PRINTED_LENET)
CURVE = [Epoch(loss=2.3, accuracy=0.1), Epoch(loss=1.2, accuracy=0.55)]
GAP = Difference(found_shape=(2, 9, 8), wanted_shape=(2, 9, 8), index=(1, 4, 6), tenths=("0006", "0190"), cell=(5, 2))
SLIDING = Window(kernel=(3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1), plane=(50, 100))
CHARTS: dict[str, Callable[[str], Markup]] = {
    "points_bar": lambda _: charts.points_bar(46, 10, 60, T),
    "class_accuracy": lambda name: charts.class_accuracy([Series(name, LENET.classes), Series("b", LENET.classes)], T),
    "learning_curve": lambda _: charts.learning_curve(CURVE, T),
    "confusion": lambda name: charts.confusion([name, "car"], [[3, 1], [0, 4]], T),
    "distribution": lambda _: charts.distribution([0, 2, 5], 60, T),
    "question_bar": lambda _: charts.question_bar(4, 5, 13, T),
    "discrimination": lambda _: charts.discrimination(-0.04, -0.4, 0.34, T),
    "verdict_mix": lambda _: charts.verdict_mix([("bad", 2), ("good", 5)], T),
    "sparkline": lambda _: charts.sparkline([0, 2, 5], 60, T),
    "share_bar": lambda _: charts.share_bar(3, 4, "bad", T),
    "difference": lambda _: charts.difference(GAP, T),
    "window": lambda _: charts.window(SLIDING, T),
    "networks": lambda name: charts.networks([Dot(name, 62_006, 0.6)], [Dot("week 8", 62_006, 0.5)], T),
}


def parse(chart: Markup) -> ET.Element:
    return ET.fromstring(str(chart))  # noqa: S314  # our own output


def found(chart: Markup, tag: str, cls: str = "") -> list[ET.Element]:
    return [e for e in parse(chart).iter(tag) if cls in e.get("class", "").split() or not cls]


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_is_an_image_with_a_title_and_a_description(name: str) -> None:
    chart = parse(CHARTS[name]("net"))
    assert [e.tag for e in chart][:2] == ["title", "desc"]
    assert all(e.text for e in list(chart)[:2])
    assert chart.get("role") == "img"


@pytest.mark.parametrize("name", CHARTS)
def test_no_chart_has_a_style_attribute_or_a_class_that_the_style_sheet_lacks(name: str) -> None:
    css = (content.folder("reports") / "report.css").read_text(encoding="utf-8")
    for element in parse(CHARTS[name]("net")).iter():
        assert "style" not in element.attrib
        assert "fill" not in element.attrib
        for cls in element.get("class", "").split():
            assert re.search(rf"\.{cls}\b", css), cls


@pytest.mark.parametrize("name", ["class_accuracy", "confusion", "networks"])
def test_names_are_text_and_nothing_else(name: str) -> None:
    chart = CHARTS[name](HOSTILE)
    assert not list(parse(chart).iter("script"))
    assert "<script" not in chart


def test_accuracy_runs_from_nought_to_a_hundred_per_cent() -> None:
    ends = tuple(ClassAccuracy(name=str(c), correct=c, total=9, low=c / 9, high=c / 9) for c in (0, 9))
    none, all_right = (float(c.get("cx", "")) for c in found(charts.class_accuracy([Series("s", ends)], T), "circle"))
    grid = [float(line.get("x1", "")) for line in found(charts.class_accuracy([Series("s", ends)], T), "line", "grid")]
    assert (none, all_right) == (min(grid), max(grid))


def test_a_class_without_images_has_no_mark() -> None:
    empty = ClassAccuracy(name="bird", correct=0, total=0, low=None, high=None)
    chart = charts.class_accuracy([Series("s", (LENET.classes[0], empty))], T)
    assert len(found(chart, "circle")) == 1
    assert "bird –" in str(found(chart, "desc")[0].text)  # noqa: RUF001  # the dash that is shown


def test_each_series_has_a_shape_of_its_own() -> None:
    chart = charts.class_accuracy([Series(str(i), LENET.classes[:1]) for i in range(4)], T)
    shapes = {
        (e.tag, e.get("points", "").count(",")) for e in parse(chart).iter() if "mark" in e.get("class", "").split()
    }
    assert len(shapes) == 4


def test_the_confusion_matrix_is_shaded_by_the_share_of_its_row() -> None:
    cells = found(charts.confusion(["a", "b"], [[3, 1], [0, 0]], T), "rect", "cell")
    assert [c.get("class") for c in cells] == ["cell c4 right", "cell c2", "cell c0", "cell c0 right"]


def test_the_most_frequent_mistakes_are_named() -> None:
    desc = found(charts.confusion(["cat", "dog"], [[3, 7], [2, 5]], T), "desc")[0].text
    assert desc == "7 images of cat taken for dog; 2 images of dog taken for cat"


def test_a_curve_of_one_epoch_is_a_dot() -> None:
    chart = charts.learning_curve(CURVE[:1], T)
    assert not found(chart, "polyline")
    assert len(found(chart, "circle")) == 2


def test_a_histogram_says_its_numbers() -> None:
    desc = found(charts.distribution([0, 2, 5], 60, T), "desc")[0].text
    assert desc == "20 to 40 points: 2; 40 to 60 points: 5"
    assert len(found(charts.distribution([0, 2, 5], 60, T), "rect", "bar")) == 2


def test_points_that_are_pending_follow_the_points_reached() -> None:
    reached, waiting = (found(charts.points_bar(30, 15, 60, T), "rect", c)[0] for c in ("reached", "waiting"))
    assert (reached.get("width"), waiting.get("x"), waiting.get("width")) == ("165", "165", "82.5")


def squares(chart: Markup, cls: str) -> int:
    return sum(e.get("d", "").count("z") for e in found(chart, "path", cls))


def test_cells_differ_by_size_and_colour_and_the_worst_is_outlined() -> None:
    chart = charts.difference(GAP, T)
    assert [squares(chart, f"g{level}") for level in range(5)] == [5, 1, 0, 1, 1]
    sides = [float(re.search(r"h([\d.]+)", e.get("d", ""))[1]) for e in found(chart, "path", "gap")]  # type: ignore[index]
    assert sides == sorted(set(sides))
    worst, ground = found(chart, "rect", "worst")[0], found(chart, "rect", "ground")[0]
    size = float(worst.get("width", ""))
    assert float(worst.get("x", "")) - float(ground.get("x", "")) == pytest.approx(3 * size, abs=0.1)
    assert float(worst.get("y", "")) == float(ground.get("y", ""))
    assert found(chart, "desc")[0].text == "3 of 8 cells differ; the largest difference is at [1, 4, 6]."


def test_a_window_reads_as_many_elements_as_its_kernel_has_and_makes_one() -> None:
    chart = charts.window(SLIDING, T)
    inside, made = (e.get("d", "").count("z") for e in found(chart, "path", "element"))
    assert (inside, made) == (15, 1)
    assert "rows 0, 3, 6 and columns 0, 1, 2, 3, 4" in str(found(chart, "desc")[0].text)
    assert [e.text for e in found(chart, "text", "tick")] == ["58 × 104", "26 × 100"]  # noqa: RUF001


@pytest.mark.parametrize("plane", [(1, 1), (4, 4), (7, 400)])
def test_a_window_is_drawn_inside_its_picture_on_any_plane(plane: tuple[int, int]) -> None:
    chart = charts.window(SLIDING.model_copy(update={"plane": plane, "padding": (0, 0)}), T)
    width, height = (float(v) for v in parse(chart).get("viewBox", "").split()[2:])
    for box in found(chart, "rect", "position"):
        x, y, w, h = (float(box.get(k, "")) for k in ("x", "y", "width", "height"))
        assert 0 <= x < x + w <= width
        assert 0 <= y < y + h <= height


def test_an_assignment_without_points_draws_an_empty_bar() -> None:
    assert found(charts.points_bar(0, 0, 0, T), "rect", "reached")[0].get("width") == "0"


def test_networks_with_more_parameters_are_further_right() -> None:
    chart = charts.networks([Dot("small", 1_000, 0.5), Dot("large", 4_020_358, 0.5)], [], T)
    small, large = (float(c.get("cx", "")) for c in found(chart, "circle"))
    assert small < large < charts.WIDTH


def test_dots_that_would_cover_one_another_stand_side_by_side_at_their_height_and_near_their_size() -> None:
    dots = [Dot(f"s{i}", 62_006, 0.6) for i in range(3)]
    circles = found(charts.networks(dots, [], T), "circle", "mark")
    across = sorted(float(c.get("cx", "")) for c in circles)
    assert len({c.get("cy") for c in circles}) == 1
    assert [b - a for a, b in pairwise(across)] == pytest.approx([8, 8], abs=0.11)


def test_a_correlation_of_nothing_lies_on_the_line_in_the_middle() -> None:
    chart = charts.discrimination(0, -0.3, 0.3, T)
    (dot,), (line,) = found(chart, "circle"), found(chart, "line", "chance")
    assert dot.get("cx") == line.get("x1")


def test_networks_of_one_size_still_have_an_axis() -> None:
    labels = [e.text for e in found(charts.networks([Dot("a", 0, 0.5)], [], T), "text")]
    assert {"1", "10"} <= set(labels)


@pytest.mark.parametrize(("value", "shown"), [(None, "–"), (0.6064, "60.6\xa0%"), (1.0, "100.0\xa0%")])  # noqa: RUF001
def test_accuracies_are_percentages_with_one_decimal(value: float | None, shown: str) -> None:
    assert charts.percent(value) == shown


@pytest.mark.parametrize(("value", "shown"), [(10, "10"), (62_006, "62k"), (4_020_358, "4.02M"), (3.9e8, "390M")])
def test_large_numbers_are_short(value: float, shown: str) -> None:
    assert charts.short_count(value) == shown
