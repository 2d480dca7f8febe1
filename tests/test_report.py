"""The written report: what the pages say and in which order, what they never hold, the CSV and the schema."""

import base64
import csv
import hashlib
import io
import json
import re
import subprocess
import sys
import tempfile
import unicodedata
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader import content, report
from grader.model import (
    Alike,
    CodeLine,
    Difference,
    Gradebook,
    OwnLine,
    QuestionResult,
    Scorecard,
    SeedNoise,
    SeedResult,
    Similarity,
    Verdict,
    Visibility,
    Window,
)
from grader.report import table as table_of
from grader.report.wording import LANGUAGES, strings
from grader.text import HIDDEN
from tests import gradebooks

ROOT = Path(__file__).resolve().parent.parent
HOSTILE = (
    "</pre></bdi></title><script>alert(1)</script><svg onload=alert(2)><meta http-equiv=refresh content='0;url=//evil'>"
    "<img src=x onerror=alert(3)>{{ 7 * 7 }}{% raw %}&lt;\"'><style>*{}</style>\x1b[31mred\u202egnirts\x00-->"
)


class Page(HTMLParser):
    """A page taken apart: its elements, its text without style and script, the headings' ids."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.silent = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.silent = tag if tag in ("style", "script") else self.silent

    def handle_endtag(self, tag: str) -> None:
        self.silent = "" if tag == self.silent else self.silent

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def skeleton(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(tag, tuple(attributes)) for tag, attributes in self.elements]

    def ids(self, tag: str) -> list[str | None]:
        return [attributes.get("id") for t, attributes in self.elements if t == tag]


def student(card: Scorecard, lang: str = "en") -> Page:
    return Page(report.student_page(card, "CNN layers", lang))


def replaced(value: Any, text: str) -> Any:
    """The same JSON with every free text replaced."""
    if isinstance(value, dict):
        fixed = {"verdict", "visibility", "conclusion", "tenths", "image"}  # these are never anybody's words
        return {k: v if k in fixed else replaced(v, text) for k, v in value.items()}
    if isinstance(value, list):
        return [replaced(v, text) for v in value]
    return text if isinstance(value, str) else value


def alike(text: str) -> Similarity:
    """Two submissions whose names and code are this text."""
    line = CodeLine(number=1, text=text)
    pair = Alike(students=(text, text), share=1.0, shingles=9, left=(line,), right=(line,))
    return Similarity(compared=2, highest=(0,) * 9 + (2,), found=1, pairs=(pair,))


def with_text(card: Scorecard, text: str) -> Scorecard:
    """The same scorecard with every free text replaced; the questions keep ids of their own."""
    changed = replaced(json.loads(card.to_json()), text)
    for question, before in zip(changed["questions"], card.questions, strict=True):
        question["id"] = before.id
    for model, before_model in zip(changed["models"], card.models, strict=True):
        model["question"] = before_model.question
    return Scorecard.from_json(json.dumps(changed))


# --- what is written


def test_a_class_is_written_as_pages_scorecards_and_a_table(tmp_path: Path) -> None:
    book = gradebooks.gradebook(3)
    assert report.write(book, tmp_path) == tmp_path / "index.html"
    written = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    names = [report.file_name(s.student_id) for s in book.scorecards]
    wanted = [f"scorecards/{n}.json" for n in names] + [f"students/{n}.html" for n in names]
    assert written == sorted([*wanted, "gradebook.csv", "index.html"])


def test_every_student_is_linked_from_the_class(tmp_path: Path) -> None:
    from urllib.parse import unquote

    index = Page(report.write(gradebooks.gradebook(7), tmp_path).read_text(encoding="utf-8"))
    links = {unquote(a["href"] or "") for tag, a in index.elements if tag == "a" and (a["href"] or "").startswith("st")}
    assert {tmp_path / link for link in links} == set((tmp_path / "students").iterdir())


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    page = report.write_scorecard(gradebooks.scorecard("ada"), tmp_path)
    before = page.read_bytes()
    (page.parent / f".{page.name}.part").mkdir()
    with pytest.raises(OSError, match="part"):
        report.write_scorecard(gradebooks.scorecard("ada", seed=9), tmp_path)
    assert page.read_bytes() == before


def test_a_scorecard_reads_back_as_it_was(tmp_path: Path) -> None:
    card = gradebooks.scorecard("ada")
    report.write_scorecard(card, tmp_path)
    assert Scorecard.from_json((tmp_path / "scorecards" / "ada.json").read_bytes()) == card


@pytest.mark.slow
def test_reports_need_neither_torch_nor_pandas_nor_what_grades() -> None:
    code = (
        "import sys; from tests import gradebooks; from grader import cli, report; from grader.commands import records;"
        "report.student_page(gradebooks.scorecard()); report.class_page(gradebooks.gradebook(2));"
        "heavy = {'torch', 'torchvision', 'pandas', 'numpy', 'grader.batch', 'grader.assignment'};"
        "heavy.add('grader.likeness.similarity');"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# --- the student's page


def test_the_page_begins_with_points_and_what_is_pending() -> None:
    card = gradebooks.scorecard("ada", seed=1)
    begin = f"CNN layers ada {card.points:g} of {card.max_points:g} points {card.pending_points:g} pending"
    assert begin in student(card).text


def test_the_sections_come_in_the_order_in_which_students_ask() -> None:
    wanted = ["by-question", "went-wrong", "networks", "questions", "fine-print"]
    assert student(gradebooks.scorecard()).ids("h2") == wanted


@pytest.mark.parametrize(
    "verdict", [v for v in Verdict if v not in (Verdict.PASSED, Verdict.UNGRADED, Verdict.SKIPPED)]
)
def test_a_failed_check_says_what_happened_and_what_to_do(verdict: Verdict) -> None:
    t = strings("en")
    text = student(gradebooks.failing("ada", verdict)).text
    for wanted in (t(f"verdict.{verdict}"), " ".join(gradebooks.MESSAGES[verdict].split())):
        assert wanted in text
    said_already = verdict in (Verdict.FAILED, Verdict.MISSING)
    assert (t(f"next.{verdict}") in text) == (not said_already), "the message says what to do"


def test_a_wrong_size_that_one_setting_explains_names_the_setting() -> None:
    asked = Window(kernel=(3, 5), stride=(2, 1), padding=(4, 2), plane=(50, 100))
    wrong = Difference(found_shape=(20, 33, 56, 50), wanted_shape=(20, 33, 28, 100))
    assert "leave the rest: stride (2, 1)." in failed(window=asked, difference=wrong).text
    assert strings("en")("student.next") not in failed(window=asked).text


def test_the_students_own_line_is_quoted_and_only_text() -> None:
    line = OwnLine(place="a.py", number=3, text="conv = '</pre><script>alert(1)</script>'")
    page = failed(line=line)
    assert "Your line 3 of a.py: conv = '</pre><script>alert(1)</script>'" in page.text
    assert len([e for e in page.elements if e[0] == "script"]) == len(
        [e for e in failed().elements if e[0] == "script"]
    )


def test_checks_that_were_not_tried_take_one_line() -> None:
    html = report.student_page(gradebooks.failing("ada", Verdict.FAILED, Verdict.SKIPPED, Verdict.SKIPPED))
    assert html.count('<article class="card') == 1
    assert "not tried check 1 · check 2 This is looked at as soon as" in Page(html).text


def failed(**fields: object) -> Page:
    check = gradebooks.check(Verdict.FAILED, answer="conv_dilation", message="It differs.", **fields)
    place = ("conv_dilation: found under its own name (cell 14, line 9)", "cell 3, line 1: left out: print(x)")
    question = QuestionResult(id="q1", title="Q1", checks=(check,), source=place)
    return student(gradebooks.scorecard(models=False).model_copy(update={"questions": (question,)}))


def test_a_wrong_answer_says_where_the_student_wrote_it() -> None:
    assert "public check found under its own name (cell 14, line 9) It differs." in failed().text


def test_a_wrong_size_is_worked_out_with_the_students_numbers() -> None:
    sizes = Difference(found_shape=(20, 33, 26, 98), wanted_shape=(20, 33, 26, 100))
    text = failed(difference=sizes, window=gradebooks.WINDOWS["q1_conv2d"]).text
    assert "output wanted 26 100 your output 26 98" in text
    assert "height: ⌊(50 + 2·4 − 3·(3 − 1) − 1) / 2 + 1⌋ = 26" in text  # noqa: RUF001


def test_a_picture_of_a_hidden_check_has_shares_and_no_sizes() -> None:
    seen = gradebooks.differences("q5_linear", 1, Visibility.PUBLIC)
    assert "up to 0.375" in failed(difference=seen).text
    hidden = failed(difference=gradebooks.differences("q5_linear", 1, Visibility.HIDDEN)).text
    assert "up to 20 % of the largest" in hidden
    assert "0.375" not in hidden


def test_a_network_stands_beside_the_one_asked_for() -> None:
    layers = (gradebooks.LENET_LAYERS[1], *gradebooks.LENET_LAYERS[1:])
    network = gradebooks.model("q6_lenet", "LeNet", [0.5] * 10)
    right, wrong = (
        gradebooks.scorecard().model_copy(update={"models": (m,)})
        for m in (network, network.model_copy(update={"layers": layers}))
    )
    assert "Every step is as asked for." in student(right).text
    assert "≠ not as asked for" in student(wrong).text


def test_when_and_how_late_it_was_handed_in_is_said_as_the_language_says_it() -> None:
    moment = datetime(2026, 11, 22, 9, 5, tzinfo=UTC)
    card = gradebooks.scorecard("b1", models=False).model_copy(
        update={"name": "Ada", "submitted_at": moment, "late": True}
    )
    assert "Ada b1 Handed in on 22 Nov 2026, 09:05 UTC. Late." in student(card).text
    assert "2026 年 11 月 22 日 09:05" in student(card, "zh-TW").text


def test_a_perfect_page_says_that_nothing_went_wrong() -> None:
    text = student(gradebooks.failing("ada", Verdict.PASSED, Verdict.PASSED)).text
    assert "4 of 4 points" in text
    assert "Nothing went wrong" in text


def test_an_explanation_is_shown_as_written_and_waits_for_a_person() -> None:
    card = gradebooks.failing("ada", Verdict.UNGRADED)
    question = card.questions[0].model_copy(update={"explanation": "two\n  lines <b>"})
    html = report.student_page(card.model_copy(update={"questions": (question,)}))
    assert "two\n  lines &lt;b&gt;</pre>" in html
    assert "a person will mark this" in Page(html).text


def test_the_source_of_the_answers_is_shown() -> None:
    card = gradebooks.scorecard()
    assert all(line in student(card).text for q in card.questions for line in q.source)


def test_a_network_is_compared_in_words() -> None:
    card = gradebooks.scorecard("ada", seed=2)
    overall = card.models[0].baselines[0].overall
    assert re.search(rf"Compared with week 8 network: .* interval \[.*\]: {overall.conclusion}\.", student(card).text)


def test_the_lectures_numbers_are_named_as_a_reference_only() -> None:
    text = student(gradebooks.scorecard()).text
    assert "printed in the lecture, for reference only" in text
    assert "62.3\xa0%" in " ".join(student(gradebooks.scorecard()).words)


def test_the_lectures_numbers_are_not_beside_classes_that_are_not_the_lectures() -> None:
    pages = [student(gradebooks.scorecard(stand_in=stand_in)).text for stand_in in (False, True)]
    assert [strings("en")("model.printed") in page for page in pages] == [True, False]


def test_a_network_that_is_not_graded_says_so() -> None:
    net = gradebooks.model("q7", "EfficientNet", [0.2] * 10, graded=False)
    card = gradebooks.scorecard()
    shown, hidden = (card.model_copy(update={"models": (m,)}) for m in (net, net.model_copy(update={"graded": True})))
    assert "shown, not graded" in student(shown).text
    assert "shown, not graded" not in student(hidden).text


def test_a_network_that_could_not_be_trained_says_why() -> None:
    net = gradebooks.model("q6_lenet", "LeNet", [0.2] * 10, reason="it has no parameters")
    bare = net.model_copy(update={"classes": (), "confusion": (), "curve": (), "layers": ()})
    assert "No accuracy was measured. it has no parameters" in student(
        gradebooks.scorecard().model_copy(update={"models": (bare,)})
    ).text  # fmt: skip


@pytest.mark.parametrize("stand_in", [True, False])
def test_stand_in_data_is_named_wherever_its_numbers_show(stand_in: bool) -> None:
    book = gradebooks.gradebook(1, stand_in=stand_in)
    pages = (student(book.scorecards[0]), Page(report.class_page(book)))
    assert all(("Drawn stand-in data, not CIFAR-10" in page.text) is stand_in for page in pages)


@pytest.mark.parametrize("hidden", [True, False])
def test_the_page_says_whether_hidden_checks_were_part_of_it(hidden: bool) -> None:
    text = student(gradebooks.scorecard(hidden=hidden)).text
    assert ("Hidden checks are not part of this run" in text) is not hidden


def test_what_the_code_printed_is_folded_away() -> None:
    card = gradebooks.scorecard().model_copy(update={"output": "accuracy: 100 %"})
    assert re.search(
        r"<details><summary>Show it</summary>\s*<pre[^>]*>accuracy: 100 %</pre>", report.student_page(card)
    )


# --- the class's page


def test_the_class_page_answers_who_needs_a_person_first() -> None:
    page = Page(report.class_page(gradebooks.gradebook(30)))
    assert page.ids("h2") == ["attention", "summary", "checks", "compared", "similar", "table"]
    assert page.ids("h3")[:4] == ["internal", "unmarked", "stopped", "flagged"]


def test_lost_points_stand_out_in_the_table_and_pending_ones_do_not() -> None:
    explained = gradebooks.check(Verdict.UNGRADED, "the explanation", 5.0, id="explanation")
    cards = []
    for name, verdict in (("full", Verdict.PASSED), ("none", Verdict.FAILED)):
        card = gradebooks.failing(name, verdict)
        question = card.questions[0].model_copy(update={"checks": (*card.questions[0].checks, explained)})
        cards.append(card.model_copy(update={"questions": (question,)}))
    page = report.class_page(gradebooks.book(cards))
    rows = re.findall(r"<tr data-has.*?</tr>", page, re.DOTALL)
    assert ["zero" in row.replace("tint zero", "") for row in rows] == [False, True]
    assert "part" not in rows[0]


def test_flags_are_for_the_instructor_alone(tmp_path: Path) -> None:
    flag = "LeNet knows the test images better than their mirror images."
    card = gradebooks.scorecard("ada").model_copy(update={"flags": (flag,)})
    index = Page(report.write(gradebooks.book([card]), tmp_path).read_text(encoding="utf-8"))
    assert "flagged" in index.ids("h3")
    assert f"ada {flag}" in index.text
    others = [p for p in tmp_path.rglob("*") if p.is_file() and p.name != "index.html"]
    assert len(others) == 3
    assert not [p for p in others if "mirror images" in p.read_text(encoding="utf-8")]


def test_more_seeds_are_shown_where_they_were_needed() -> None:
    seeds = tuple(SeedResult(seed=s, network=0.57 + s / 100, reference=0.6) for s in range(3))
    network = gradebooks.model("q6_lenet", "LeNet", [0.57] * 10, seeds=seeds)
    card = gradebooks.scorecard().model_copy(update={"models": (network,)})
    assert "57.0 % (reference 60.0 %); 58.0 % (reference 60.0 %); 59.0 %" in student(card).text
    once = network.model_copy(update={"seeds": seeds[:1]})
    assert "(reference" not in student(card.model_copy(update={"models": (once,)})).text


@pytest.mark.parametrize(
    ("lang", "caption"),
    [("en", "true: car; said: bird (92 %)"), ("zh-TW", "正確：car；回答：bird（92 %）")],  # noqa: RUF001
)
def test_confident_mistakes_are_shown_with_their_images(lang: str, caption: str) -> None:
    network = gradebooks.model("q6_lenet", "LeNet", [0.57] * 10)
    page = student(gradebooks.scorecard().model_copy(update={"models": (network,)}), lang)
    assert caption in page.text
    shown = [attributes for tag, attributes in page.elements if tag == "img"]
    assert [a["src"] for a in shown] == [f"data:image/png;base64,{m.image}" for m in network.mistakes]
    assert all(m.label in str(a["alt"]) for a, m in zip(shown, network.mistakes, strict=True))
    right = network.model_copy(update={"mistakes": ()})
    assert "img" not in dict(student(gradebooks.scorecard().model_copy(update={"models": (right,)}), lang).elements)


def test_the_class_page_says_how_much_a_seed_changes() -> None:
    noise = SeedNoise(trainings=3, mean=0.606, deviation=0.0045)
    network = gradebooks.model("q6_lenet", "LeNet", [0.57] * 10, noise=noise)
    book = gradebooks.book([gradebooks.scorecard().model_copy(update={"models": (network,)})])
    assert (
        "from 3 seeds gave 60.6 % on average, with a standard deviation of 0.45 points"
        in Page(report.class_page(book)).text
    )


def test_similar_submissions_are_to_be_looked_at_and_nothing_more() -> None:
    text = Page(report.class_page(gradebooks.gradebook(4))).text
    assert "Similar means: look at it." in text
    assert "Ada Lovelace · 王小明 94 % of the shorter one" in text
    assert "3 class Net(nn.Module): 4 def forward(self, x): ⋮ 8 return self.head" in text
    assert "plagiari" not in text.lower()


def test_explanations_stand_beside_the_rubric() -> None:
    book = gradebooks.gradebook(4)
    text = Page(report.class_page(book)).text
    assert "SECRET-RUBRIC-LINE" in text
    assert all(" ".join((s.questions[0].explanation or "").split()) in text for s in book.scorecards)


def test_nothing_for_students_holds_a_byte_of_a_rubric(tmp_path: Path) -> None:
    report.write(gradebooks.gradebook(6), tmp_path)
    holding = {p.name for p in tmp_path.rglob("*") if p.is_file() and b"SECRET-RUBRIC-LINE" in p.read_bytes()}
    assert holding == {"index.html"}


def test_a_class_without_a_wrong_answer_has_no_table_of_them() -> None:
    book = gradebooks.book([gradebooks.failing(n, Verdict.PASSED) for n in ("ada", "bob")])
    text = Page(report.class_page(book)).text
    assert "Everybody passed every check that was judged." in text
    assert "most common wrong answers" not in text


def test_a_check_that_nobody_passes_is_among_what_needs_a_person_first() -> None:
    page = report.class_page(gradebooks.book([gradebooks.failing(f"s{i}", Verdict.FAILED) for i in range(3)]))
    attention = re.sub(r"<[^>]*>", "", page.partition('id="attention"')[2].partition('id="summary"')[0])
    assert "none of the 3 students" in attention


def test_a_class_without_faults_needs_nobody() -> None:
    book = gradebooks.book([gradebooks.failing(n, Verdict.PASSED) for n in ("ada", "bob")])
    assert "Nobody: nothing failed on our side" in Page(report.class_page(book)).text


def test_a_class_that_nobody_joined_has_a_page(tmp_path: Path) -> None:
    text = Page(report.write(gradebooks.gradebook(0), tmp_path).read_text(encoding="utf-8")).text
    assert "Nobody has handed in anything yet" in text


@pytest.mark.parametrize("verdict", Verdict)
def test_a_class_in_which_everything_ended_alike_has_a_page(verdict: Verdict) -> None:
    book = gradebooks.book([gradebooks.failing(f"s{i}", verdict, verdict) for i in range(12)])
    assert strings("en")(f"verdict.{verdict}") in Page(report.class_page(book)).text


# --- what students wrote


@pytest.mark.parametrize("kind", ["student", "class"])
def test_hostile_text_changes_nothing_but_text(kind: str) -> None:
    book = gradebooks.gradebook(12)
    short = [s.model_copy(update={"models": s.models[:1]}) for s in book.scorecards]  # so that nothing is left out

    def page(text: str) -> Page:
        cards = [with_text(s, text) for s in short]
        if kind == "student":
            return student(cards[0])
        book = Gradebook(assignment=text, title=text, scorecards=tuple(cards), similarity=alike(text))
        return Page(report.class_page(book))

    hostile = page(HOSTILE)
    assert hostile.skeleton == page("harmless").skeleton
    assert "<script>alert(1)</script>" in hostile.text
    assert "{{ 7 * 7 }}" in hostile.text


def test_what_cannot_be_seen_is_made_visible() -> None:
    text = " ".join(student(with_text(gradebooks.scorecard(), HOSTILE)).words)
    assert "red[U+202E]gnirts[U+0000]" in text
    assert not HIDDEN.search(text.replace("\n", ""))


def test_a_page_lets_only_its_own_style_and_script_run() -> None:
    html = report.student_page(gradebooks.scorecard())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy
    parts = dict(p.strip().split(" ", 1) for p in policy[1].split(";"))
    assert {k: v for k, v in parts.items() if not k.endswith("-src") or k in ("default-src", "img-src")} == {
        "default-src": "'none'", "img-src": "data:", "base-uri": "'none'", "form-action": "'none'",
    }  # fmt: skip
    for tag in ("style", "script"):
        source = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(source[0].encode()).digest()).decode()
        assert (len(source), parts[f"{tag}-src"]) == (1, f"'sha256-{digest}'")


@pytest.mark.parametrize("kind", ["student", "class"])
def test_a_page_has_no_style_or_event_attribute_and_asks_nothing_of_a_network(kind: str) -> None:
    book = gradebooks.gradebook(12)
    page = student(book.scorecards[0]) if kind == "student" else Page(report.class_page(book))
    for _, attributes in page.elements:
        assert not [a for a in attributes if a == "style" or a.startswith("on") or a in ("srcset", "action")]
        assert (attributes.get("src") or "data:image/png;base64,").startswith("data:image/png;base64,")
        assert not (attributes.get("href") or "").startswith(("http", "//", "javascript"))


# --- room


@pytest.mark.slow
def test_a_students_page_keeps_to_its_budget_whatever_was_written() -> None:
    assert len(report.student_page(gradebooks.scorecard()).encode()) <= report.STUDENT_BYTES / 1.05
    long = with_text(gradebooks.scorecard(), "<'é字" * 5_000)
    assert len(report.student_page(long).encode()) <= report.STUDENT_BYTES


@pytest.mark.slow
def test_a_class_of_three_hundred_keeps_to_its_budget() -> None:
    book = gradebooks.gradebook(300)
    assert len(report.class_page(book).encode()) <= report.CLASS_BYTES / 1.5
    long = {"explanation": "字&" * 4_000}
    questions = [tuple(q.model_copy(update=long) if q.explanation else q for q in s.questions) for s in book.scorecards]
    wordy = [s.model_copy(update={"questions": q}) for s, q in zip(book.scorecards, questions, strict=True)]
    assert len(report.class_page(gradebooks.book(wordy)).encode()) <= report.CLASS_BYTES


# --- the gradebook as a table


def table(book: Gradebook) -> list[dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        report.write(book, Path(folder))
        text = (Path(folder) / "gradebook.csv").read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_table_has_points_verdicts_and_notes() -> None:
    card = gradebooks.failing("ada", Verdict.PASSED, Verdict.PASSED, Verdict.UNGRADED, Verdict.FAILED)
    (row,) = table(gradebooks.book([card.model_copy(update={"notes": ("a", "b"), "name": "=Ada, L."})]))
    numbers = {"q1_conv2d": "4", "points": "4", "late_percent": "0", "grade": "4"}
    numbers |= {"max_points": "8", "pending_points": "2", "percent": "50.00"}
    counts = {**{str(v): "0" for v in Verdict}, "PASSED": "2", "UNGRADED": "1", "FAILED": "1"}
    assert row == {"student_id": "ada", "name": "'=Ada, L.", **numbers, **counts, "notes": "a; b"}


def test_everything_is_quoted_and_excel_sees_that_it_is_utf_8(tmp_path: Path) -> None:
    report.write(gradebooks.gradebook(2), tmp_path)
    data = (tmp_path / "gradebook.csv").read_bytes()
    assert data.startswith(b'\xef\xbb\xbf"student_id",')
    rows = data.decode("utf-8-sig").splitlines()
    assert all(re.fullmatch(r'"[^"]*"(,"[^"]*")*', row) for row in rows)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])  # noqa: RUF001
def test_no_cell_is_a_formula(start: str) -> None:
    card = gradebooks.failing(start + "1+1", Verdict.PASSED).model_copy(
        update={"notes": (start + "cmd|' /C calc'!A0",)}
    )
    (row,) = table(gradebooks.book([card]))
    assert (row["student_id"], row["notes"]) == (f"'{start}1+1", f"'{start}cmd|' /C calc'!A0")


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_what_is_no_formula_reads_back_equal(note: str) -> None:
    card = gradebooks.failing("ada", Verdict.PASSED).model_copy(update={"notes": (note,)})
    with tempfile.TemporaryDirectory() as folder:
        report.write(gradebooks.book([card]), Path(folder))
        path = Path(folder) / "gradebook.csv"
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, lineterminator="\n")
    assert frame["notes"][0] == ("'" + note if note.startswith(table_of.FORMULA) else note)


# --- names of files


@pytest.mark.parametrize("plain", ["ada", "b10902001", "group-7_a", "0"])
def test_a_plain_id_is_its_own_name(plain: str) -> None:
    assert report.file_name(plain) == plain


@pytest.mark.parametrize(
    "risky", ["../../etc/passwd", "a/b", "a\\b", "CON", "con", "nul", "lpt1", ".", "", "a.", " a ", "x" * 200]
)
def test_a_risky_id_gets_a_safe_name(risky: str) -> None:
    name = report.file_name(risky)
    assert re.fullmatch(r"[\w-]*~[0-9a-f]{12}", name)
    assert len(name.encode()) <= 200


def test_a_name_can_still_be_read() -> None:
    assert report.file_name("王小明").startswith("王小明~")
    assert report.file_name("Ada Lovelace").startswith("Ada_Lovelace~")


IDS = st.one_of(st.text(max_size=200), st.text("aAbB~-_é.", max_size=4))


@given(IDS, IDS)
def test_two_ids_never_share_a_name_whatever_the_file_system_makes_equal(one: str, other: str) -> None:
    names = {unicodedata.normalize("NFC", report.file_name(i)).casefold() for i in (one, other)}
    assert len(names) == len({one, other})


@given(IDS)
def test_every_name_is_one_that_every_system_can_hold(student_id: str) -> None:
    name = report.file_name(student_id)
    assert len(name.encode()) <= 240
    assert not set(name) & set('/\\:*?"<>|. \0')


# --- the schema


def test_the_published_schema_is_the_one_of_the_code() -> None:
    published = json.loads((ROOT / "docs" / "scorecard.schema.json").read_text(encoding="utf-8"))
    assert published == report.schema(), "run: python -m grader.report > docs/scorecard.schema.json"


def test_written_scorecards_are_valid(tmp_path: Path) -> None:
    report.write(gradebooks.gradebook(11), tmp_path)
    validator = jsonschema.Draft202012Validator(report.schema())
    for path in (tmp_path / "scorecards").iterdir():
        validator.validate(json.loads(path.read_text(encoding="utf-8")))


def test_the_schema_wants_the_totals_and_knows_no_other_key() -> None:
    schema = report.schema()
    assert {"points", "grade", "max_points", "pending_points"} <= set(schema["required"])
    card = json.loads(gradebooks.scorecard().to_json())
    with pytest.raises(jsonschema.ValidationError, match="surprise"):
        jsonschema.validate({**card, "surprise": 1}, schema)


# --- languages


def catalogue(lang: str) -> dict[str, str]:
    return strings(lang).texts


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_text_is_missing_or_left_over_in_any_language(lang: str) -> None:
    assert catalogue(lang).keys() == catalogue("en").keys()
    for key, text in catalogue(lang).items():
        assert set(re.findall(r"{(\w+)}", text)) == set(re.findall(r"{(\w+)}", catalogue("en")[key])), key


def test_every_text_that_the_code_names_exists_and_every_text_is_used() -> None:
    files = [
        *content.folder("reports").glob("*.j2"),
        *((ROOT / "grader" / f"{name}.py") for name in ("report/__init__", "report/wording")),
        *(p for folder in ("charts", "terminal", "live") for p in (ROOT / "grader" / folder).glob("*.py")),
    ]
    source = "".join(p.read_text(encoding="utf-8") for p in files)
    named = set(re.findall(r'"((?:page|student|model|fine|class|chart|terminal)\.[a-z_]*[a-z])"', source))
    families = ("verdict.", "mark.", "month.", "next.", "visibility.", "conclusion.")  # looked up by value
    assert named - catalogue("en").keys() == set()
    assert [k for k in catalogue("en") if k not in named and not k.startswith(families)] == []


@pytest.mark.parametrize("family", ["verdict", "mark", "next"])
def test_every_verdict_has_its_words(family: str) -> None:
    wanted = set(Verdict) - ({Verdict.PASSED, Verdict.UNGRADED} if family == "next" else set())
    assert {k.removeprefix(f"{family}.") for k in catalogue("en") if k.startswith(f"{family}.")} == wanted


def test_the_pages_speak_the_language_that_was_asked_for() -> None:
    book = gradebooks.gradebook(12, stand_in=True)
    for html in (report.student_page(book.scorecards[0], book.title, "zh-TW"), report.class_page(book, "zh-TW")):
        page = Page(html)
        assert page.elements[0] == ("html", {"lang": "zh-TW"})
        english = [t for k, t in catalogue("en").items() if " " in t and "{" not in t and t != catalogue("zh-TW")[k]]
        assert [t for t in english if t in page.text] == []
