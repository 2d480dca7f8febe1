# ruff: noqa: RUF001  # full-width signs are what is tested
"""The pages in a real Chromium: accessible, legible, still, silent, and harmless whatever students wrote."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from grader import report
from grader.model import Gradebook, Verdict
from grader.report.wording import LANGUAGES
from tests import gradebooks
from tests.test_report import HOSTILE, alike, with_text

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine: apt-get install chromium"),
]
KINDS = ("class", "student")
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

# Every text inside an SVG: its contrast with what is painted under its middle, whether it leaves the drawing, and
# whether it lies on another text. axe looks at none of these.
SVG_TEXTS = """() => {
  const channels = (c) => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = (c) => c.slice(0, 3).map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const over = (top, under, alpha) => top.slice(0, 3).map((v, i) => v * alpha + under[i] * (1 - alpha));
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const c = channels(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const inside = (x, y, b) => x >= b.left && x <= b.right && y >= b.top && y <= b.bottom;
  const wrong = [];
  let count = 0;
  for (const svg of document.querySelectorAll("svg")) {
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].map(e => ({ e, b: e.getBoundingClientRect() }))
      .filter(t => t.b.width);
    for (const [i, { e, b }] of texts.entries()) {
      count += 1;
      const x = (b.left + b.right) / 2, y = (b.top + b.bottom) / 2;
      let ground = behind(svg);
      for (const shape of svg.querySelectorAll("rect")) {
        if (!(shape.compareDocumentPosition(e) & Node.DOCUMENT_POSITION_FOLLOWING)) continue;
        const style = getComputedStyle(shape), fill = channels(style.fill);
        if (fill.length && inside(x, y, shape.getBoundingClientRect()))
          ground = over(fill, ground, (fill[3] ?? 1) * style.opacity * style.fillOpacity);
      }
      const ink = light(channels(getComputedStyle(e).fill)), paper = light(ground);
      const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
      if (contrast < 4.5) wrong.push(`contrast ${contrast.toFixed(2)}: ${e.textContent}`);
      if (b.left < frame.left - 1 || b.right > frame.right + 1 || b.top < frame.top - 2 || b.bottom > frame.bottom + 2)
        wrong.push(`clipped: ${e.textContent}`);
      for (const other of texts.slice(i + 1)) {
        const wide = Math.min(b.right, other.b.right) - Math.max(b.left, other.b.left);
        const high = Math.min(b.bottom, other.b.bottom) - Math.max(b.top, other.b.top);
        if (wide > 1 && high > 3) wrong.push(`overlap: ${e.textContent} and ${other.e.textContent}`);
      }
    }
  }
  return { count, wrong };
}"""


@dataclass
class Visit:
    """An open page with what it said to the console and asked of a network."""

    page: Page
    console: list[str]
    requests: list[str]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def unmeasured() -> Gradebook:
    """Four students: three with accuracies of one to three digits, one without any."""
    nets = [gradebooks.model("q6_lenet", "LeNet", [a] * 10) for a in (0.6, 0.525, 0.09)]
    cards = [gradebooks.failing(f"s{i}", Verdict.PASSED) for i in range(4)]
    measured = [c.model_copy(update={"models": (n,)}) for c, n in zip(cards, nets, strict=False)]
    return gradebooks.book([*measured, cards[3]])


def everybody(*verdicts: Verdict) -> Gradebook:
    """Twelve students with the same verdicts."""
    return gradebooks.book([gradebooks.failing(f"s{i}", *verdicts) for i in range(12)])


def formulas() -> Gradebook:
    """Students whose names a spreadsheet would run."""
    return gradebooks.book([gradebooks.failing(n, Verdict.PASSED) for n in ("=1+1", '-2+3" x', "＠cmd", "plain")])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Reports by name: languages, sizes, and one in which every text is hostile."""
    hostile = [with_text(s, HOSTILE) for s in gradebooks.gradebook(12).scorecards]
    book = Gradebook(
        assignment=HOSTILE,
        title=HOSTILE,
        scorecards=tuple(hostile),
        rubrics={"q1_conv2d": HOSTILE},
        similarity=alike(HOSTILE),
    )
    classes = {
        "en": gradebooks.gradebook(30),
        "zh-TW": gradebooks.gradebook(12, stand_in=True),
        "one": gradebooks.gradebook(1),
        "three-hundred": gradebooks.gradebook(300),
        "crashed": gradebooks.book(
            [gradebooks.failing("ada", Verdict.CRASHED), gradebooks.failing("bob", Verdict.PASSED)]
        ),
        "unmeasured": unmeasured(),
        "nobody": gradebooks.gradebook(0),
        "perfect": everybody(Verdict.PASSED, Verdict.PASSED),
        "one-check": everybody(Verdict.PASSED, Verdict.FAILED),
        "formulas": formulas(),
        "hostile": book,
    }
    folder = tmp_path_factory.mktemp("reports")
    for name, one in classes.items():
        lang = name if name in LANGUAGES else "en"
        for card in one.scorecards[:2]:  # the pages that are looked at
            report.write_scorecard(card, folder / name, one.title, lang)
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "index.html").write_text(report.class_page(one, lang), encoding="utf-8")
    return {name: folder / name for name in classes}


@pytest.fixture
def visit(browser: Browser, written: dict[str, Path]) -> Iterator[Visitor]:
    visitor = Visitor(browser, written)
    yield visitor
    visitor.close()


class Visitor:
    """Opens pages of the written reports."""

    def __init__(self, browser: Browser, written: dict[str, Path]) -> None:
        self.browser = browser
        self.written = written
        self.contexts = []

    def __call__(self, kind: str, name: str = "en", scheme: str = "light", width: int = 1180) -> Visit:
        context = self.browser.new_context(
            color_scheme="dark" if scheme == "dark" else "light", viewport={"width": width, "height": 900}
        )
        self.contexts.append(context)
        page = context.new_page()
        found = Visit(page, [], [])
        page.on("console", lambda message: found.console.append(message.text))
        page.on("pageerror", lambda error: found.console.append(str(error)))
        page.on("dialog", lambda dialog: (found.console.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: found.requests.append(request.url))
        page.goto(self.path(kind, name).as_uri())
        return found

    def path(self, kind: str, name: str) -> Path:
        students = self.written[name] / "students"
        return self.written[name] / "index.html" if kind == "class" else min(students.iterdir())

    def close(self) -> None:
        for context in self.contexts:
            context.close()


def unfold(page: Page) -> None:
    """Open what is folded, but for the longest table: its cells are those of the short ones, and axe takes seconds."""
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = d.querySelectorAll('tr').length < 100)")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "scheme"), [("en", "light"), ("en", "dark"), ("zh-TW", "light"), ("zh-TW", "dark"), ("hostile", "dark")]
)
def test_axe_finds_nothing(visit: Visitor, kind: str, name: str, scheme: str) -> None:
    page = visit(kind, name, scheme).page
    unfold(page)
    found = Axe().run(
        page, options={"runOnly": {"type": "tag", "values": STANDARDS}, "resultTypes": ["violations"], "preload": False}
    )
    assert len(found.response["passes"]) > 20
    assert [(v["id"], [n["html"][:200] for n in v["nodes"][:3]]) for v in found.response["violations"]] == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["en", "zh-TW", "hostile"])
def test_every_text_in_a_chart_can_be_read(visit: Visitor, kind: str, name: str) -> None:
    page = visit(kind, name).page
    unfold(page)
    light = page.evaluate(SVG_TEXTS)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(SVG_TEXTS)
    assert (light["wrong"], dark["wrong"]) == ([], [])
    assert light["count"] > 20


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["en", "zh-TW", "one", "crashed", "perfect", "one-check", "hostile"])
def test_nothing_scrolls_sideways_on_a_phone(visit: Visitor, kind: str, name: str) -> None:
    page = visit(kind, name, width=375).page
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 375


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["en", "hostile"])
def test_a_page_says_nothing_to_the_console_and_asks_nothing(visit: Visitor, kind: str, name: str) -> None:
    seen = visit(kind, name)
    seen.page.wait_for_load_state("networkidle")
    assert seen.console == []
    assert seen.requests == [seen.page.url]


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_text_is_shown_and_does_nothing(visit: Visitor, kind: str) -> None:
    page = visit(kind, "hostile").page
    assert page.url.startswith("file:")
    assert page.locator("script, svg[onload], img:not([src^='data:image/png']), meta[http-equiv=refresh]").count() == 1
    assert "<script>alert(1)</script>" in page.locator("main").inner_text()
    assert "{{ 7 * 7 }}" in page.locator("main").inner_text()


def test_a_class_of_three_hundred_loads_within_a_second(visit: Visitor) -> None:
    page = visit("class", "three-hundred").page
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})  # what others compute meanwhile does not count
    page.reload()
    seconds = {m["name"]: m["value"] for m in devtools.send("Performance.getMetrics")["metrics"]}
    assert 0 < seconds["TaskDuration"] < 1
    assert page.locator("#everyone tbody tr").count() == 300


def column(page: Page, index: int) -> list[str]:
    return page.evaluate(
        "i => [...document.querySelectorAll('#everyone tbody tr')].map(r => [...r.cells].at(i).textContent.trim())",
        index,
    )


def test_the_table_sorts_by_keyboard_numbers_as_numbers(visit: Visitor) -> None:
    page = visit("class").page
    points = page.get_by_role("button", name="points", exact=True)
    before = [float(p) for p in column(page, 1)]
    points.focus()
    page.keyboard.press("Enter")
    assert [float(p) for p in column(page, 1)] == sorted(before)
    page.keyboard.press("Space")
    assert [float(p) for p in column(page, 1)] == sorted(before, reverse=True)
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"


def test_missing_and_decimal_numbers_sort_by_their_value(visit: Visitor) -> None:
    page = visit("class", "unmeasured").page
    page.get_by_role("button", name="accuracy, LeNet").press("Enter")
    assert column(page, -1) == ["–", "9.0\xa0%", "52.5\xa0%", "60.0\xa0%"]  # the dash that is shown


def test_names_sort_as_people_sort_them(visit: Visitor) -> None:
    page = visit("class").page
    page.get_by_role("button", name="student").press("Enter")
    names = column(page, 0)
    assert names.index("b10902002") < names.index("b10902010")
    assert names[0] == "Ada Lovelace"


def test_the_most_urgent_students_can_be_sorted_to_the_top(visit: Visitor) -> None:
    page = visit("class").page
    page.get_by_role("button", name="most urgent").press("Enter")
    assert "our fault" in column(page, 3)[0]


def test_the_table_filters_by_name_and_verdict_with_the_keyboard(visit: Visitor) -> None:
    page = visit("class").page
    page.get_by_label("Find").focus()
    page.keyboard.type("B10902001")
    rows = page.locator("#everyone tbody tr:visible")
    assert rows.count() == 2
    assert page.get_by_role("status").inner_text() == "2 of 30 shown"
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.get_by_label("Show").select_option("CRASHED")
    assert 0 < rows.count() < 30
    assert rows.count() == page.locator('#everyone tr[data-has~="CRASHED"]').count()


def saved(page: Page, folder: Path) -> list[list[str]]:
    with page.expect_download() as download:
        page.get_by_role("button", name="Save what is shown").press("Enter")
    path = folder / "shown.csv"
    download.value.save_as(path)
    data = path.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_what_is_shown_can_be_saved_in_the_order_in_which_it_is_shown(visit: Visitor, tmp_path: Path) -> None:
    seen = visit("class")
    seen.page.get_by_label("Find").fill("b1090200")
    seen.page.get_by_role("button", name="points", exact=True).press("Enter")
    rows = saved(seen.page, tmp_path)
    shown = seen.page.locator("#everyone tbody tr:visible")
    assert len(rows) == 1 + shown.count() > 2
    assert rows[0][:2] == ["student", "points"]
    assert [row[:2] for row in rows[1:]] == [row.locator("th, td").all_inner_texts()[:2] for row in shown.all()]
    assert seen.console == []


def test_no_saved_cell_is_a_formula(visit: Visitor, tmp_path: Path) -> None:
    rows = saved(visit("class", "formulas").page, tmp_path)
    assert [row[0] for row in rows[1:]] == ["'=1+1", "'-2+3\" x", "'＠cmd", "plain"]


def test_a_class_that_nobody_joined_says_so_and_nothing_else(visit: Visitor) -> None:
    seen = visit("class", "nobody")
    assert seen.page.locator("main").inner_text() == "Nobody has handed in anything yet."
    assert seen.console == []


def test_a_students_page_opens_from_the_table(visit: Visitor) -> None:
    page = visit("class").page
    page.get_by_role("cell", name="王小明").or_(page.get_by_role("rowheader", name="王小明")).get_by_role("link").press(
        "Enter"
    )
    page.wait_for_url("**/students/**")
    assert page.locator("h1").inner_text() == "王小明"


def test_wide_tables_scroll_in_a_box_of_their_own_that_the_keyboard_reaches(visit: Visitor) -> None:
    page = visit("class", width=375).page
    box = page.get_by_role("group", name="Everyone")
    box.focus()
    assert box.evaluate("e => e === document.activeElement && e.scrollWidth > e.clientWidth")


@pytest.mark.parametrize("kind", KINDS)
def test_folded_parts_are_opened_for_printing_and_closed_again(visit: Visitor, kind: str) -> None:
    page = visit(kind).page
    folded = page.locator("details:not([open]):not(.pair, .rest)")  # these are many sheets
    before = folded.count()
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert (before > 0, folded.count()) == (True, 0)
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert folded.count() == before


def test_print_shows_what_is_folded_even_without_the_script(visit: Visitor) -> None:
    page = visit("student").page
    inside = page.locator("details:not([open]) pre").first
    assert not inside.is_visible()
    page.emulate_media(media="print")
    assert inside.is_visible()


def test_nothing_moves_for_who_asked_for_less_motion(visit: Visitor) -> None:
    page = visit("class").page
    behaviour = "getComputedStyle(document.documentElement).scrollBehavior"
    assert page.evaluate(behaviour) == "smooth"
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(behaviour) == "auto"
