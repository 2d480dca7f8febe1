"""The example in docs/: small, of no particular machine, and without what students may not see."""

import re
import tomllib
from html import unescape
from pathlib import Path

from grader import report
from grader.report import phrases

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "docs" / "example"
PAGES = [EXAMPLE / "index.html", *sorted((EXAMPLE / "students").glob("*.html"))]


def test_the_example_is_a_class_and_its_students() -> None:
    linked = re.findall(r'href="(students/[^"]+)"', PAGES[0].read_text(encoding="utf-8"))
    assert {EXAMPLE / link for link in linked} == set(PAGES[1:])
    assert len(PAGES) == 4


def test_the_example_is_small() -> None:
    assert max(p.stat().st_size for p in PAGES) <= report.STUDENT_BYTES
    assert (EXAMPLE / "page.png").stat().st_size < 200_000


def test_the_readme_shows_it() -> None:
    assert "docs/example/page.png" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_no_path_of_a_machine_is_in_it() -> None:
    text = "".join(p.read_text(encoding="utf-8") for p in PAGES)
    assert not re.findall(r"(?<![\w.~])/(?:home|root|tmp|work|usr|mnt|Users)/[^<\s]*", text)


def test_it_holds_no_line_of_a_rubric() -> None:
    rubric = tomllib.loads((ROOT / "reference" / "cnn-cifar10" / "rubric.toml").read_text(encoding="utf-8"))
    lines = {line.strip() for line in re.split(r"[\n.]", str(rubric)) if len(line.strip()) > 30}
    text = "".join(p.read_text(encoding="utf-8") for p in PAGES)
    assert len(lines) > 5
    assert [line for line in lines if line in text] == []


def test_in_chinese_nothing_that_the_example_tells_a_student_is_left_in_english() -> None:
    page = (EXAMPLE / "students" / "kuo_ming.html").read_text(encoding="utf-8")
    told = [unescape(t) for t in re.findall(r'<pre class="written prose said" dir="auto">(.*?)</pre>', page, re.DOTALL)]
    told += [unescape(t) for t in re.findall(r"<h[34]><bdi>(.*?)</bdi></h", page)]
    told += re.findall(r"every wall was tried[^<]*", page)
    said = phrases.of("zh-TW", "cnn-cifar10")
    assert len(told) > 10
    assert [t for t in map(said, told) if re.search(r"\b[A-Za-z]{2,} [a-z]{2,} [a-z]{2,}", t)] == []
