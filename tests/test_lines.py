"""The student's own line behind an outcome."""

import json

import pytest

from grader.judge import lines
from grader.model import File, Verdict
from tests import gradebooks

PLAIN = File("a.py", b"import torch\n\nconv_stride = torch.nn.Conv2d(16, 33, 3)  # <b>\n")
CELLS = [{"cell_type": "markdown", "source": "x"}, {"cell_type": "code", "source": ["a = 1\n", "  relu = None\n"]}]
BOOK = File("my net.ipynb", json.dumps({"cells": CELLS}).encode())
FILES = (PLAIN, BOOK)


def test_the_line_that_bound_a_wrong_answer_is_quoted() -> None:
    check = gradebooks.check(Verdict.FAILED, answer="conv_stride", message="The shape is wrong.")
    found = ("relu: found (my net.ipynb, cell 1, line 2)", "conv_stride: found under its own name (a.py, line 3)")
    (quoted,) = lines.quoted([check], FILES, found)
    assert quoted.line
    assert (quoted.line.place, quoted.line.number) == ("a.py", 3)
    assert quoted.line.text == "conv_stride = torch.nn.Conv2d(16, 33, 3)  # <b>"


def test_the_line_that_raised_comes_before_the_one_that_bound() -> None:
    check = gradebooks.check(Verdict.RAISED, answer="x", message="x raised E at my net.ipynb, cell 1, line 2: no")
    (quoted,) = lines.quoted([check], FILES, ("x: found (a.py, line 3)",))
    assert quoted.line
    assert (quoted.line.place, quoted.line.text) == ("my net.ipynb, cell 1", "relu = None")


@pytest.mark.parametrize("verdict", lines.SILENT)
def test_what_is_nobodys_mistake_quotes_no_line(verdict: Verdict) -> None:
    check = gradebooks.check(verdict, message="a.py, line 1")
    assert lines.quoted([check], FILES, ()) == (check,)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "a.py, line 2",
        "a.py, line 0",
        "a.py, line 99",
        "a.py, cell 1, line 1",
        "ba.py, line 1",
        "../a.py, line 1",
        "my net.ipynb, cell 2, line 1",
        "found instead: torch (module, a.py, line 1)",
        "Nothing is named relu. Layers of this kind that were seen: nn.ReLU() (a.py, line 1)",
    ],
)
def test_a_place_that_is_not_there_has_no_line(said: str) -> None:
    assert lines.at(said, FILES) is None


def test_a_file_that_cannot_be_read_has_no_lines() -> None:
    assert lines.at("b.ipynb, cell 1, line 1", (File("b.ipynb", b"{not json"),)) is None


def test_a_long_line_is_cut_and_what_no_file_can_hold_is_replaced() -> None:
    line = lines.at("a.py, line 1", (File("a.py", ("x = '" + "é" * 5000 + "'").encode()),))
    assert line
    assert (len(line.text), line.text[-1]) == (lines.MOST_CHARACTERS, "…")
