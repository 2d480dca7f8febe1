"""Make this example again: three students of the bundled class, as it was graded, and a picture of two pages.

grader demo -o FOLDER
python docs/example/make.py FOLDER

Rubrics are left out: the class's page would show them, and they are not for students.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from grader import pages, report
from grader.model import Gradebook
from grader.store import Store

HERE = Path(__file__).resolve().parent
STUDENTS = ("chen_yi-chun", "kuo_ming", "lee_chia-hao")
PICTURED = (("kuo_ming", "went-wrong"), ("lee_chia-hao", "networks"))  # a student and a part of the page, side by side
WIDTH, HEIGHT = 640, 1000


def main(graded: Path) -> None:
    """Write the pages and the picture from a folder of grades."""
    with Store(graded) as store:
        book, look = pages.gradebook(store), pages.look(store, "en")
    report.write(_some(book), HERE, "en", look.folders)
    shutil.rmtree(HERE / "scorecards")
    _picture(HERE / "page.png")


def _some(book: Gradebook) -> Gradebook:
    cards = tuple(card for card in book.scorecards if card.student_id in STUDENTS)
    alike = book.similarity
    if alike:
        pairs = tuple(pair for pair in alike.pairs if set(pair.students) <= set(STUDENTS))
        alike = alike.model_copy(update={"pairs": pairs, "found": len(pairs)})
    return book.model_copy(update={"scorecards": cards, "rubrics": {}, "similarity": alike})


def _picture(out: Path) -> None:
    """Parts of two pages beside each other, in few enough colours to be small."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    both = Image.new("RGB", (WIDTH * len(PICTURED), HEIGHT))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, reduced_motion="reduce")
        for i, (student, part) in enumerate(PICTURED):
            tab.goto(f"{(HERE / 'students' / f'{student}.html').as_uri()}#{part}")
            both.paste(Image.open(io.BytesIO(tab.screenshot())), (WIDTH * i, 0))
        browser.close()
    both.quantize(128).save(out, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
