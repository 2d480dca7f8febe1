"""A worker is sent a notebook's code and not its plots; whatever is no notebook it is sent as it was handed in."""

from __future__ import annotations

import json

import pytest

from grader.model import File
from grader.source import files as source
from grader.source import outputs

PLOT = {"output_type": "display_data", "data": {"image/png": "A" * outputs.WORTHWHILE_BYTES}}
CELLS = [
    {"cell_type": "code", "source": ["import torch\n", "x = '卷積'"], "outputs": [PLOT]},
    {"cell_type": "markdown", "source": "# Q1", "attachments": {"window.png": {"image/png": "B" * 1000}}},
]


@pytest.mark.parametrize("book", [{"cells": CELLS}, {"worksheets": [{"cells": CELLS}]}], ids=["v4", "v3"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_large_notebook_loses_its_plots_and_nothing_that_is_read(book: object, mark: str) -> None:
    data = (mark + json.dumps(book)).encode()
    (file,) = outputs.without([File("a.ipynb", data)])
    assert len(file.data) < 300
    slim, whole = source.read("a.ipynb", file.data), source.read("a.ipynb", data)
    assert (slim.lines, slim.texts) == (whole.lines, whole.texts)


@pytest.mark.parametrize("start", [b"{", b"[[1, 2]", b"\xff\xfe", b"[" * 3000])
def test_what_is_no_notebook_stays_as_it_is(start: bytes) -> None:
    file = File("a.ipynb", start + b" " * outputs.WORTHWHILE_BYTES)
    assert outputs.without([file]) == (file,)


def test_a_small_notebook_and_a_source_are_not_touched() -> None:
    files = (File("a.ipynb", json.dumps({"cells": CELLS[1:]}).encode()), File("b.py", b"#" * 2_000_000))
    assert outputs.without(files) == files
