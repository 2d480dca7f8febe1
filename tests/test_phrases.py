"""Every message that a student may read has a translation, and translating never changes what it says."""

from __future__ import annotations

import re
import time
import tomllib
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grader import scores
from grader.errors import AssignmentError
from grader.processes import advice
from grader.report import catalogues, phrases
from grader.report.phrases import Phrases
from grader.source import effects
from tests.speech import said

ROOT = Path(__file__).resolve().parent.parent
ENGINE = ROOT / "reports" / "phrases.zh-TW.toml"
ASSIGNMENT = ROOT / "assignments" / "cnn-cifar10" / "zh-TW.toml"
REFERENCE = ROOT / "reference" / "cnn-cifar10" / "zh-TW.toml"
SPEAKING = (  # the engine's modules whose words reach a student
    "captured compare expectations graph/capture graph/encoding graph/habits graph/measure graph/observation "
    "graph/tracing intake/__init__ intake/entries intake/folders intake/handed intake/zips judge/cards judge/judge "
    "judge/fixtures judge/outcomes judge/plugin lateness/__init__ measurement/measurements measurement/networks "
    "measurement/outcomes measurement/practice measurement/testimony processes/advice processes/exchange "
    "processes/process processes/station source/cells source/decoding source/files source/flow live/here live/names "
    "source/notebook source/effects source/pieces source/reasons source/running source/settings source/siblings "
    "student training/learner training/loop training/schedule untrusted/answers untrusted/building "
    "untrusted/diagnosis untrusted/makers untrusted/naming untrusted/reading untrusted/recorder untrusted/roles "
    "untrusted/shelf untrusted/shims untrusted/stand_ins untrusted/states untrusted/within"
).split()
CHECKS = sorted((ROOT / "assignments/cnn-cifar10/checks").glob("*.py")) + sorted(
    (ROOT / "reference/cnn-cifar10/checks").glob("*.py")
)
CHINESE = re.compile("[\u4e00-\u9fff]")
ENGLISH = re.compile(r"[A-Za-z']{2,}(?: [a-z']{2,}){2,}")


@pytest.fixture(scope="module")
def chinese() -> Phrases:
    return phrases.of("zh-TW", "cnn-cifar10")


def untranslated(text: str, translate: Phrases) -> bool:
    shown = translate(text)
    return not CHINESE.search(shown) or bool(ENGLISH.search(shown))


@pytest.mark.parametrize("module", SPEAKING)
def test_what_the_engine_says_to_a_student_is_in_the_catalogue(module: str, chinese: Phrases) -> None:
    path = ROOT / "grader" / f"{module}.py"
    missing = [text for text in said(path) if text not in NOT_FOR_STUDENTS | PARTS and untranslated(text, chinese)]
    assert not missing, f"translate these in {ENGINE.name}, or name them in NOT_FOR_STUDENTS"


def test_what_is_taken_for_the_scores_is_said_in_chinese(chinese: Phrases) -> None:
    right, other = torch.zeros(2, 10), torch.zeros(2, 84)
    for output in ((right, other), [other, right], {"logits": right}, (other, {"out": right})):
        found = scores.find(output, classes=10)
        assert found is not None
        assert not untranslated(found.note, chinese), found.note


@pytest.mark.parametrize("path", CHECKS, ids=lambda path: f"{path.parts[-4]}-{path.stem}")
def test_what_a_check_says_is_in_the_assignments_catalogue(path: Path, chinese: Phrases) -> None:
    missing = [text for text in said(path) if text not in NOT_FOR_STUDENTS | PARTS and untranslated(text, chinese)]
    assert not missing, f"translate these in {ASSIGNMENT.name} of the assignment or of the reference"


# Patterns and word lists of the code, and what only the instructor or a log reads.
NOT_FOR_STUDENTS = {
    "\n[the rest is not shown: more than 7 characters were printed]\n",  # among what student code prints
    "there is nothing to run beside what the notebook has run",
    "wanted a .py or .ipynb file, a folder of them, a folder of student folders, or a zip of any of these",
    "found only 7",
    "isolation level 7 (7)",
    "as asked for",
    "a CUDA device is there",
    "no CUDA device is there",
    "transformed test images",
    "fake tensor in the exported program",
    "requires(check): SKIPPED unless that check of the question passed",
    "ended so: 7",
    "from 7 import *",
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "Missing parentheses in call to",
    "multiple exception types must be parenthesized",
    *(pattern for pattern, _ in advice.ADVICE),
    *effects.EFFECTS.values(),
}
# Parts of sentences: EXAMPLES has them whole.
PARTS = {
    "7 differs in 7 of 7 elements; the largest difference is 7, at index 7",
    "; 7 + 7 x |wanted value| was allowed.",
    "floor((7 + 2*7 - 7*(7 - 1) - 1) / 7 + 1) = 7",
    "floor((7 + 2*7 - 7) / 7 + 1) = 7",
    "7 is 7; the limit is 7: 7 and hand it in again.",
    "clear the outputs",
    "keep only the code",
    " and 7 more",
    "it held 7 MiB when it ended, and the limit is 7",
    "It needed more memory than there is for it: 7 MiB. 7",
    ", which gave 7 for 7",
    "has depthwise convolutions",
    "has no depthwise convolutions",
    "7 7 and 7: if it is 7, name it so",
    "have depthwise convolutions",
    "have no depthwise convolutions",
    "7 7: if one of them is 7, name it so",
    " with depthwise convolutions",
    " without depthwise convolutions",
    "was taken for 7",
    "was not taken",
    "7 (line 7)",
    "tabs and spaces were mixed",
    "invisible characters stood between the words",
    " This is Python 2; Python 3 is wanted.",
    "7; this was mended before reading.",
    "7: 7.7 This statement was left out.",
    "7 is a web page, not a notebook. 7, not the page that shows it.",
    "Bind your answer to the name",
    "Bind your answers to the names",
    ": it asked for 7 MiB more at once",
    "7 needed more memory than the 7 MiB allowed7.",
    "7 raised 7",
    "7 7s (77)",
    "EfficientNet has 7 (expand, depthwise, project linearly)",
    "EfficientNet has 7 (mean, reduce, expand, sigmoid, multiply)",
    "EfficientNet has 7 and 7 to follow",
    "7 (those of squeeze-and-excitation apart)",
    (
        "7, but in none is the input added to the output: half the points. Add it where stride and channels allow, "
        "which is the residual of the name."
    ),
    " without a positive number",
    " of equal numbers",
    "7 takes 7 and gets 7: make its first number 7.",
    ": make it nn.Linear(7, 7)",
    "7 Leave out bias=False.",
    "output channels; input channels; rows of the window; columns of the window",
    "1 image, which is",
    "7 images, which are",
    "7 day late",
    "7 days late",
    "7 % a day",
    "7, which costs nothing here.",
    "7, 7, at most 7 %: -7 %.",
    "the explanation holds 7 to be seen in the notebook only",
}
EXAMPLES = tomllib.loads((ROOT / "tests" / "messages.zh-TW.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("english", EXAMPLES, ids=range(len(EXAMPLES)))
def test_a_whole_message_reads_well(english: str, chinese: Phrases) -> None:
    assert chinese(english) == EXAMPLES[english]


@pytest.mark.parametrize("english", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_number_of_a_message_is_in_its_translation(english: str, chinese: Phrases) -> None:
    assert set(re.findall(r"\d+", english)) <= set(re.findall(r"\d+", chinese(english)))


@pytest.mark.parametrize("path", [ENGINE, ASSIGNMENT, REFERENCE], ids=lambda path: path.parts[-3])
def test_no_translation_is_empty_or_has_another_number(path: Path) -> None:
    for english, text in catalogues.read(path).items():
        assert text.strip()
        numbers = set(re.findall(r"\d{2,}|\d(?= x)", english))  # one digit may be written out
        assert numbers <= set(re.findall(r"\d+", text)), english


def test_nothing_of_the_hidden_checks_is_with_the_public_catalogue() -> None:
    assert not catalogues.read(REFERENCE).keys() & {**catalogues.read(ASSIGNMENT), **catalogues.read(ENGINE)}.keys()


def test_english_stays_english() -> None:
    assert phrases.translate("relu returned None; wanted a tensor.", "en", "cnn-cifar10") == (
        "relu returned None; wanted a tensor."
    )


def test_what_no_phrase_fits_stays_as_it_is(chinese: Phrases) -> None:
    for text in ("My own words, about and or to of it.", "", "…", "a: b", "x; y", "第一題"):
        assert chinese(text) == text


SMALL = Phrases(
    {"{a} is {b:n} wide.": "{a} 寬 {b}。", "{x:w} is {y}.": "{x} 是 {y}。", "the box": "盒子", "so": "如此"}
)


@pytest.mark.parametrize(
    ("english", "shown"),
    [
        ("the box is 3 wide.", "盒子寬 3。"),
        ("The box is 3 wide", "盒子寬 3"),
        ("it is so.", "it 是如此。"),
        ("it is so. The box is 1,000.5 wide.", "it 是如此。盒子寬 1,000.5。"),
        ("it is so. What? it is odd.", "it 是如此。What? it is odd."),
        ("a.py: it is so", "a.py：it 是如此"),  # noqa: RUF001  # full width in Chinese
        ("it is very wide.", "it 是 very wide。"),
        ("it is {a}.", "it 是 {a}。"),
        ("so is so.", "so 是如此。"),
    ],
)
def test_the_most_specific_phrase_is_taken_and_fields_keep_their_values(english: str, shown: str) -> None:
    assert SMALL(english) == shown


def test_a_students_name_that_is_a_word_of_ours_stays(chinese: Phrases) -> None:
    text = (
        "nothing is named relu or alike; found instead: size (assignment, a.py, line 3); inputs (class, a.py, line 4)"
    )
    assert re.findall(r"\w+(?=\uff08)", chinese(text)) == ["size", "inputs"]


def test_fields_of_one_name_must_hold_the_same() -> None:
    twice = Phrases({"{a} or {a}": "{a} {a}"})
    assert twice("x or x") == "x x"
    assert twice("x or y") == "x or y"


@pytest.mark.parametrize("pair", [("{a} is", "是"), ("a", "{b}"), ("{a}{b}", "{a}{b}"), ("{a:q} x", "{a}")])
def test_a_phrase_that_cannot_be_told_is_refused(pair: tuple[str, str]) -> None:
    with pytest.raises(AssignmentError, match="phrase"):
        Phrases(dict([pair]))


def test_a_catalogue_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "zh-TW.toml"
    for text in ("not toml", "[a]\nb = 1", 'a = "b"'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(AssignmentError, match=r"zh-TW\.toml"):
            phrases.of("zh-TW", "", (tmp_path,))


def test_the_chinese_titles_of_an_assignment_are_shown_and_its_catalogue_goes_before_them(tmp_path: Path) -> None:
    titles = [("One layer", "一層"), ("Two layers", "兩層")]
    text = "".join(f'[[questions]]\ntitle = "{english}"\ntitle_zh = "{chinese}"\n' for english, chinese in titles)
    (tmp_path / "assignment.toml").write_text(f'title = "Layers"\ntitle_zh = "層"\n{text}', encoding="utf-8")
    (tmp_path / "zh-TW.toml").write_text('[titles]\n"Two layers" = "二層"\n', encoding="utf-8")
    say = phrases.of("zh-TW", "", (tmp_path,))
    assert [say(title) for title in ("Layers", "One layer", "Two layers")] == ["層", "一層", "二層"]


def test_an_assignment_from_elsewhere_brings_its_own_phrases(tmp_path: Path) -> None:
    (tmp_path / "zh-TW.toml").write_text('[titles]\n"Two layers" = "兩層"\n', encoding="utf-8")
    assert phrases.translate("Two layers", "zh-TW", "tiny", (tmp_path,)) == "兩層"


@given(st.text(alphabet="aZ .:;,(){}'é字\n1", max_size=120))
def test_any_text_at_all_can_be_translated(text: str) -> None:
    assert phrases.of("zh-TW", "cnn-cifar10")(text) is not None


@pytest.mark.slow
@pytest.mark.parametrize("part", ["x raised y at z: ", "a. ", "or ", "; ", "{a} and ", "1 x 1, 2 to 3 channels; "])
def test_no_text_makes_it_slow(part: str, chinese: Phrases) -> None:
    started = time.process_time()
    chinese(part * (4000 // len(part)))
    assert time.process_time() - started < 2
