"""Reading code as students write it: every pattern here was met in public files."""

from __future__ import annotations

import json
import random
import sys
import time
import traceback
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.source import notebook
from grader.source.notebook import Book, Piece, ProblemError
from grader.untrusted import naming


def book_of(*cells: str, **keys: Any) -> bytes:
    """A notebook of format 4 that nbformat finds valid; a cell that begins with "#md " is text."""
    node = nbformat.v4.new_notebook(**keys)
    for cell in cells:
        text = cell.removeprefix("#md ")
        node.cells.append(nbformat.v4.new_markdown_cell(text) if cell != text else nbformat.v4.new_code_cell(text))
    nbformat.validate(node)
    return nbformat.writes(node).encode()


def open_cells(*cells: str) -> Book:
    return notebook.open_({"submission.ipynb": book_of(*cells)})


def open_text(text: str | bytes, name: str = "submission.py") -> Book:
    return notebook.open_({name: text.encode() if isinstance(text, str) else text})


@pytest.fixture(autouse=True)
def _modules_as_before() -> Iterator[None]:
    before, finders = set(sys.modules), list(sys.meta_path)
    yield
    sys.meta_path[:] = finders
    for name in set(sys.modules) - before:
        if isinstance(getattr(sys.modules[name].__spec__, "loader", None), notebook.Finder):
            del sys.modules[name]


def run(book: Book, piece: Piece) -> dict[str, object]:
    """Run a piece as the worker does; the values of the names that it found."""
    sys.meta_path.insert(0, book.modules)
    spaces: dict[str, ModuleType] = {file: book.space(file) for file in book.files}
    for block in piece.blocks:
        exec(block.code, spaces[block.space].__dict__)  # noqa: S102  # the test's own text
    return {name: getattr(spaces[space], name) for name, space in piece.found.items()}


def values(book: Book, *names: str) -> list[object]:
    piece = book.slice(names)
    assert piece.missing == ()
    found = run(book, piece)
    return [found[name] for name in names]


def value(book: Book, name: str = "answer") -> object:
    return values(book, name)[0]


# ------------------------------------------------------------------------------------------------- formats of files


CODE = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": "answer = 42"}


@pytest.mark.parametrize(
    "book",
    [
        {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [CODE]},
        {"nbformat": 3, "worksheets": [{"cells": [{**CODE, "input": "answer = 42", "source": None}]}]},
        {"cells": [CODE]},
        {"cells": [{**CODE, "source": ["answer", " = ", "42"]}]},
        {"cells": [{**CODE, "source": None}, None, 7, {"cell_type": "raw"}, {}, CODE]},
        {"cells": [CODE], "metadata": None},
        {"cells": [CODE], "metadata": {"language_info": {"name": "python"}}},
        {"cells": [{**CODE, "outputs": [{"data": {"image/png": "x" * 3_000_000}}]}]},
    ],
)  # fmt: skip
def test_a_notebook_of_any_format_is_read(book: object) -> None:
    assert value(open_text(json.dumps(book), "submission.ipynb")) == 42


def test_what_the_tests_build_and_format_3_are_valid_notebooks() -> None:
    old = nbformat.v3.new_notebook(
        worksheets=[nbformat.v3.new_worksheet(cells=[nbformat.v3.new_code_cell("answer = 1")])]
    )
    nbformat.validate(old)
    assert value(open_text(nbformat.v3.writes_json(old), "a.ipynb")) == 1
    assert value(open_text(book_of("answer = 2"), "a.ipynb")) == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp950", "gb18030", "big5"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_file_in_any_encoding_is_read(encoding: str, newline: str) -> None:
    text = newline.join(["# 卷積層的輸出", "answer = '中文'", ""])
    data = (b"\xfe\xff" if encoding == "utf-16-be" else b"") + text.encode(encoding)
    assert value(open_text(data)) == "中文"


def test_the_coding_line_is_believed_before_a_guess() -> None:
    text = "# -*- coding: gb18030 -*-\nanswer = '汉字'\n"
    assert value(open_text(text.encode("gb18030"))) == "汉字"


def test_a_notebook_saved_under_py_is_read() -> None:
    assert value(open_text(book_of("answer = 3"), "submission.py")) == 3


@pytest.mark.parametrize(
    ("name", "data", "phrase"),
    [
        ("a.ipynb", b"", "a.ipynb is empty"),
        ("a.py", b" \n\n ", "a.py is empty"),
        ("a.ipynb", b"answer = 1", "it is not JSON (line 1"),
        ("a.ipynb", b"<!doctype html><html>", "is a web page, not a notebook"),
        ("a.ipynb", b"[1, 2]", "JSON but not a notebook: wanted an object with cells"),
        ("a.ipynb", b'{"a": 1}', "JSON but not a notebook: it has no list of cells"),
        ("a.ipynb", b'{"cells": {}}', "it has no list of cells"),
        ("a.ipynb", b'{"cells": [' + b"[" * 200_000, "it is not JSON"),
        ("a.ipynb", b'{"cells": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "it is not JSON"),
        ("a.ipynb", b'{"cells": [' + b"9" * 1_000_000 + b"]}", "it is not JSON"),
        ("a.ipynb", b'{"cells": [], "metadata": {"language_info": {"name": "R"}}}', "is a notebook in 'R'"),
        ("a.ipynb", json.dumps({"cells": [CODE] * 5_001}).encode(), "more than 5,000 code cells"),
        ("a.py", b"answer = 1\0", "is not a text file"),
        ("a.py", bytes(range(256)) * 4, "is not a text file"),
        ("a.py", b"a = '" + b"x" * 2_000_001 + b"'", "2,000,007 characters of code; the limit is 2,000,000"),
        ("a.py", b"a=1\n" * 5_001, "5,001 statements; the limit is 5,000"),
    ],
)  # fmt: skip
def test_a_file_of_which_nothing_can_be_read_is_one_sentence(name: str, data: bytes, phrase: str) -> None:
    with pytest.raises(ProblemError) as caught:
        open_text(data, name)
    assert phrase in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_starter_that_was_handed_in_beside_the_work_hides_nothing_of_it() -> None:
    starter = book_of("relu = None", "LeNet = None\nEfficientNet = ...", "linear = None")
    work = b"import torch.nn as nn\nrelu = nn.ReLU()\nclass LeNet(nn.Module): ...\nfrom nets import EfficientNet\n"
    book = notebook.open_({"submission.ipynb": starter, "submission.py": work})
    where = {name: d.place.file for name in ("relu", "LeNet", "EfficientNet") if (d := book.where(name))}
    assert where == dict.fromkeys(("relu", "LeNet", "EfficientNet"), "submission.py")
    assert (linear := book.where("linear")) is not None
    assert linear.place.file == "submission.ipynb"


def test_no_file_at_all_is_a_sentence() -> None:
    with pytest.raises(ProblemError, match=r"no \.py or \.ipynb file was handed in"):
        notebook.open_({})


def test_one_unreadable_file_does_not_hide_the_others() -> None:
    book = notebook.open_({"submission.ipynb": b"{", "net.py": b"answer = 5"})
    assert value(book) == 5
    assert "submission.ipynb is not a notebook" in book.problems[0]


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000 + "1" + ")" * 10_000,
        "x = " + "-" * 50_000 + "1",
        "x = " + "+".join("1" * 20_000),
        "x = a" + ".b" * 20_000,
        "x = " + "9" * 100_000,
        "x = '\ud800'",
        "x = '" + "y" * 1_000_000 + "'",
        "if 1:\n" + "".join(" " * i + "if 1:\n" for i in range(1, 150)),
        "def f():\n  nonlocal x\n",
        "return 1",
        "x = yield",
        "class A: global __class__\n",
        "\x0c\x0cx = 1",
        "f'{" * 200,
        "@" * 500,
    ],
)
def test_code_out_of_proportion_costs_only_itself(text: str) -> None:
    data = json.dumps({"cells": [{**CODE, "source": text}, CODE]}).encode()
    assert value(open_text(data, "submission.ipynb")) == 42


@pytest.mark.slow
@settings(max_examples=150)
@given(st.binary(max_size=200), st.sampled_from(["a.py", "a.ipynb"]), st.sampled_from([b"", b'{"cells":[', b"x = "]))
def test_no_bytes_raise_anything_but_a_problem(data: bytes, name: str, start: bytes) -> None:
    try:
        book = open_text(start + data, name)
    except ProblemError:
        return
    book.slice(["x", "LeNet"])
    book.whole()
    naming.find(book, "LeNet", [".*net.*"])


SCRAPS = [
    *("def f(x): ", "class A:", "\n", "    ", "\t", "return x", "x = 1", "%time ", "!ls", "%%time\n", "'''", "(", ")"),
    *("\\", "@f", "import os", "#", '"', "for i in x:", "print 'a'", "global x", "from . import f", "async ", "\u00a0"),
]


@pytest.mark.slow
@settings(max_examples=300)
@given(st.lists(st.sampled_from(SCRAPS), max_size=25))
def test_no_arrangement_of_scraps_raises(scraps: list[str]) -> None:
    book = open_cells("".join(scraps), "answer = 1")
    assert value(book) == 1
    book.whole()


# ------------------------------------------------------------------------------------------------ notebook commands


@pytest.mark.parametrize(
    "cell",
    [
        "!pip install torchsummary\nanswer = 1",
        "%matplotlib inline\nanswer = 1",
        "?print\nanswer = 1\nanswer?\n",
        "files = !ls\nanswer = 1",
        "%time answer = 1",
        "answer = %time 1",
        "%%time\nanswer = 1",
        "# how long?\n\n%%time\nanswer = 1",
        "%%capture out\nanswer = 1",
        "%timeit sum([1])\nanswer = 1",
        "if True:\n    !ls\nanswer = 1",
        "!pip install a \\\n  b \\\n  c\nanswer = 1",
        "%load_ext autoreload\n%autoreload 2\n%cd /content\nanswer = 1",
        "get_ipython().system('ls')\nanswer = 1",
        "from google.colab import drive\ndrive.mount('/content/drive')\nanswer = 1",
    ],
)
def test_notebook_commands_are_stepped_over(cell: str) -> None:
    assert value(open_cells(cell)) == 1


def test_a_percent_sign_that_is_python_stays() -> None:
    book = open_cells("answer = ('%d of %d'\n  % (1, 2))\n", "%matplotlib inline\nmore = (7\n% 4)")
    assert values(book, "answer", "more") == ["1 of 2", 3]


def test_a_command_inside_a_string_stays() -> None:
    assert value(open_cells('!ls\nanswer = """\n!ls\n%time\n"""')) == "\n!ls\n%time\n"


@pytest.mark.parametrize("magic", ["bash", "html", "javascript", "sh", "script perl", "latex"])
def test_a_cell_in_another_language_is_dropped_and_said(magic: str) -> None:
    book = open_cells(f"%%{magic}\nanswer = 0\nrm -rf /", "answer = 1")
    assert value(book) == 1
    assert book.notes == (
        f"submission.ipynb, cell 1, line 1: %%{magic.split()[0]}: the cell is not Python and was left out.",
    )


def test_writefile_makes_a_module() -> None:
    book = open_cells(
        "%%writefile net.py\nSIZE = 5\ndef make():\n    return SIZE", "from net import make\nanswer = make()"
    )
    assert value(book) == 5
    assert "the cell is taken as the module net.py" in book.notes[0]


def test_writefile_can_append_and_is_found_without_an_import() -> None:
    book = open_cells("%%writefile ./net.py\nSIZE = 5", "%%writefile -a net.py\nanswer = SIZE + 1")
    assert value(book) == 6


def test_run_takes_the_names_of_the_other_file() -> None:
    main = book_of("%run ./helper.py\nanswer = double(4)")
    assert value(notebook.open_({"submission.ipynb": main, "helper.py": b"def double(x): return 2 * x"})) == 8


# ---------------------------------------------------------------------------------------- what does not parse


def test_a_broken_statement_costs_only_itself_in_a_notebook() -> None:
    book = open_cells("before = 1\nprnt 'x'\nafter = 2", "answer = before + after")
    assert value(book) == 3
    (problem,) = book.problems
    assert problem.startswith("submission.ipynb, cell 1, line 2: invalid syntax")


def test_a_broken_statement_costs_only_itself_in_a_plain_file() -> None:
    broken = "@decorated\nclass Broken:\n    def f(self)\n        return 1\n\n    x = 2\n"
    book = open_text(f"import math\n{broken}answer = math.floor(2.5)\n")
    assert value(book) == 2
    assert book.problems[0].startswith("submission.py, line 4: expected ':'")
    assert len(book.problems) == 1


def test_python_2_is_named() -> None:
    book = open_cells("print 'hello'\nanswer = 1")
    assert value(book) == 1
    assert "This is Python 2" in book.problems[0]


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n\treturn 7\nanswer = f()",
        "def f():\n  return 7\nanswer = f()",
        "def f():\n\tif True:\n        \treturn 7\nanswer = f()",
        "def f():\n    if True:\n\treturn 7\nanswer = f()",
        "def f():\n\u00a0\u00a0return 7\nanswer\u3000=\u00a0f()",
        "\ufeffanswer = 7",
        "answer = 7\n\x0c\n",
    ],
)
def test_tabs_and_invisible_characters_are_no_obstacle(text: str) -> None:
    assert value(open_text(text)) == 7


def test_a_whole_essay_is_one_submission_with_problems_and_no_names() -> None:
    book = open_text("\n".join(f"This is line {i} of my report." for i in range(500)))
    assert book.definitions == ()
    assert 1 <= len(book.problems) <= 101


# ------------------------------------------------------------------------------------------------------- the slice


TRAINING = """\
for epoch in range(10**9):
    for inputs, labels in loader:
        optimizer.zero_grad()
        net.train()
        loss = criterion(net(inputs), labels)
        loss.backward()
        optimizer.step()
"""


@pytest.mark.parametrize(
    "effect",
    [
        TRAINING,
        "x = input('number? ')",
        "import sys\nsys.exit(1)",
        "raise SystemExit",
        "while True: pass",
        "assert False",
        "trainset = torchvision.datasets.CIFAR10('./data', download=True)",
        "net.load_state_dict(torch.load('./cifar_net.pth'))",
        "plt.plot([1]); plt.show()",
        "import urllib.request\nurllib.request.urlretrieve('http://example.org/x', 'x')",
        "open('C:\\\\Users\\\\me\\\\data.csv').read()",
        "print(undefined)",
        "import tensorflow as tf",
        "from google.colab import files\nfiles.upload()",
        "if __name__ == '__main__':\n    raise SystemExit",
        "def main():\n    raise SystemExit\nmain()",
        "try:\n    1 / 0\nfinally:\n    import nowhere",
        "with open('nowhere') as f:\n    text = f.read()",
        "net.fit(loader)",
        "del nothing",
        "net.history['x'] = train(net)\ndef train(n):\n    n.backward()",
    ],
)
def test_what_runs_at_the_top_level_is_left_out(effect: str) -> None:
    book = open_cells("class Net:\n    size = 3\nnet = Net()", effect, "answer = net.size")
    assert value(book) == 3
    assert book.slice(["answer"]).dropped


def test_a_name_takes_everything_it_needs_and_nothing_else() -> None:
    book = open_cells(
        "import math\nimport json\nunused = 1",
        "def half(x):\n    return math.floor(x / DIVISOR)\nDIVISOR = 2",
        "class Base:\n    scale = half(9)\nclass Net(Base):\n    pass",
        "answer = Net().scale",
    )
    assert value(book) == 4
    kept = book.slice(["answer"]).kept
    assert [k.partition(": ")[2].split("\n")[0] for k in kept] == [
        "import math", "def half(x):", "DIVISOR = 2", "class Base:", "class Net(Base):", "answer = Net().scale"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("answer = 1\nanswer = 2", 2),
        ("answer = 1\nif True:\n    answer = 2", 2),
        ("answer = 1\nanswer = answer + 1\nanswer = answer * 10", 20),
        ("answer = 1\nanswer += 1", 2),
        ("answer = [1]\nanswer.append(2)\nanswer[0] = 5", [5, 2]),
        ("a = 1\nb = a\na = 2\nanswer = (a, b)", (2, 1)),
        ("n = 1\ndef f():\n    return n\na = f()\nn = 2\nanswer = (a, f())", (1, 2)),
        ("layers = []\nfor i in range(3):\n    layers.append(i)\nanswer = layers", [0, 1, 2]),
        ("class C: pass\ndef f(self): return 9\nC.f = f\nanswer = C().f()", 9),
        ("class C: pass\nc = C()\nsetattr(c, 'x', 4)\nanswer = c.x", 4),
        ("class C: pass\nc = C()\ndef alter(m):\n    m.x = 6\nalter(c)\nanswer = c.x", 6),
        ("def init():\n    global n\n    n = 8\ninit()\nanswer = n", 8),
        ("try:\n    import nowhere\nexcept ImportError:\n    nowhere = 5\nanswer = nowhere", 5),
        ("def deco(f):\n    return lambda: f() + 1\n@deco\ndef g():\n    return 1\nanswer = g()", 2),
        ("N = 3\ndef f(x: 'N' = N) -> int:\n    return x\nanswer = f()", 3),
        ("N = 2\nanswer = [i * N for i in range(N)]", [0, 2]),
        ("N = 2\nanswer = (lambda x: x + N)(1)", 3),
        ("N = 4\nclass C:\n    a = N\n    b = [N for _ in range(1)]\nanswer = (C.a, C.b)", (4, [4])),
        ("a, (b, *c) = 1, (2, 3, 4)\nanswer = c", [3, 4]),
        ("if (n := 7) > 3:\n    pass\nanswer = n", 7),
        ("from math import *\nanswer = floor(2.5)", 2),
        ("import os.path\nimport os\nanswer = os.path.basename('a/b')", "b"),
        ("from __future__ import annotations\ndef f(x: Nowhere): return 1\nanswer = f(0)", 1),
        ("a = 1; answer = a + 1; print(answer)", 2),
        ("with open('/dev/null') as f: pass\nanswer = 1", 1),
        ("answer = later()\ndef later():\n    return 3", None),
        ("match 3:\n    case n:\n        answer = n", 3),
        ("answer: int = 5", 5),
        ("if __name__ == '__main__':\n    answer = 11", 11),
        ("answer = 1\nif __name__ == '__main__':\n    answer = 2", 1),
        ("def f():\n    return g()\ndef g():\n    return h\nh = 3\nanswer = f()", 3),
        ("class A:\n    def f(self): return B().g()\nclass B:\n    def g(self): return 4\nanswer = A().f()", 4),
        ("\"\"\"Title.\"\"\"\nanswer = 1  # one", 1),
        ("x = [1, 2]\ndel x[0]\nanswer = x", [2]),
        ("a = []\nanswer = a\na.append(1)", [1]),
        ("a = []\nanswer = a\na = [2]\na.append(1)", []),
        ("a = {}\nb = a\na['x'] = 1\ndef f(): return b\nanswer = f()", {"x": 1}),
    ],
)  # fmt: skip
def test_the_slice_gives_what_running_everything_would(code: str, wanted: object) -> None:
    book = open_text(code)
    if wanted is None:  # the whole file fails on it too: a use before the definition
        with pytest.raises(NameError):
            exec(code, {})  # noqa: S102  # the test's own text
        return
    assert value(book) == wanted


def test_a_method_that_mentions_the_data_does_not_read_them() -> None:
    book = open_cells(
        "trainset = datasets.CIFAR10('.')",
        "class Net:\n    def fit(self):\n        return len(trainset)\n    def size(self):\n        return 3",
        "answer = Net().size()",
    )
    assert value(book) == 3
    (sentence,) = [d for d in book.slice(["answer"]).dropped if "cell 1" in d]
    assert sentence == (
        "submission.ipynb, cell 1, line 1: left out, because it reads a data set, although a function "
        "mentions trainset: trainset = datasets.CIFAR10('.')"
    )


def test_what_a_kept_statement_cannot_do_without_is_kept() -> None:
    book = open_cells("def load(): return [1, 2]\ndata = load()", "answer = len(data)")
    assert value(book) == 2


def test_seeds_before_what_is_built_are_kept() -> None:
    book = open_cells("import random\nSEED = 3\nrandom.seed(SEED)\nanswer = random.random()\nrandom.seed(4)")
    kept = "\n".join(book.slice(["answer"]).kept)
    assert "random.seed(SEED)" in kept
    assert "random.seed(4)" not in kept
    assert value(book) == random.Random(3).random()  # noqa: S311  # the student's own draw, repeated


def test_a_seed_that_needs_more_than_a_constant_is_left_out() -> None:
    book = open_cells("import random\nargs = parser.parse_args()\nrandom.seed(args)\nanswer = random.random() < 2")
    assert value(book) is True


def test_names_that_nothing_binds_are_missing_and_the_others_found() -> None:
    piece = open_cells("relu = 1").slice(["relu", "LeNet"])
    assert (piece.found, piece.missing) == ({"relu": "submission.ipynb"}, ("LeNet",))


def test_reasons_are_given_in_the_students_terms() -> None:
    book = open_cells("loader = DataLoader([])\nit = iter(loader)\nprint(1)\nx = 2\n'text'\n" + TRAINING, "answer = 1")
    reasons = [d.split("because ")[1].split(": ")[0] for d in book.slice(["answer"]).dropped]
    assert reasons == [
        "it reads a data set",
        "it needs loader (it reads a data set)",
        "it only prints",
        "nothing asked for needs it",
        "it trains or tests",
    ]


def test_a_statement_that_does_not_compile_is_named() -> None:
    book = open_cells("return 5", "for i in []:\n    pass\nelse:\n    break", "answer = 1")
    piece = book.whole()
    assert [p.split(": ")[0] for p in piece.problems] == [
        "submission.ipynb, cell 1, line 1",
        "submission.ipynb, cell 2, line 1",
    ]
    assert value(book) == 1


def test_the_whole_file_is_everything_but_the_main_guard() -> None:
    book = open_cells("answer = 1", "answer += 1", "if __name__ == '__main__':\n    answer = 0")
    assert run(book, book.whole())["answer"] == 2


# ----------------------------------------------------------------------------------------------------- tracebacks


def test_a_traceback_shows_the_students_cell_and_line() -> None:
    book = open_cells("x = 1", "%%time\n!ls\ndef answer():\n    # why\n    return 1 / 0")
    with pytest.raises(ZeroDivisionError) as caught:
        value(book)()  # type: ignore[operator]
    last = traceback.format_exception(caught.value)[-2]
    assert 'File "submission.ipynb, cell 2", line 5, in answer' in last
    assert "return 1 / 0" in last


def test_a_traceback_into_a_module_shows_its_line() -> None:
    files = {"submission.py": b"from lib.net import f\nanswer = f", "lib/net.py": b"\n\ndef f():\n    return [][1]\n"}
    with pytest.raises(IndexError) as caught:
        value(notebook.open_(files))()  # type: ignore[operator]
    assert 'File "lib/net.py", line 4, in f\n    return [][1]' in traceback.format_exception(caught.value)[-2]


# -------------------------------------------------------------------------------------------------- several files


def test_an_imported_sibling_does_not_train() -> None:
    net = b"import nowhere_to_be_found as plt\nclass Net:\n    size = 4\nnet = Net()\nwhile True:\n    net.backward()\n"
    book = notebook.open_({"submission.py": b"from net import Net\nanswer = Net.size", "net.py": net})
    assert value(book) == 4


@pytest.mark.parametrize(
    "line",
    [
        "from lib.net import size",
        "from .lib.net import size",
        "from lib import net\nsize = net.size",
        "import lib.net\nsize = lib.net.size",
        "import lib.net as n\nsize = n.size",
        "from net import size",
        "from lib.net import *",
        "from lib import *\nfrom lib.net import size",
        "from . import lib\nimport lib.net\nsize = lib.net.size",
    ],
)
def test_every_way_of_importing_a_sibling_works(line: str) -> None:
    files = {
        "submission.py": f"{line}\nanswer = size + 1".encode(),
        "lib/net.py": b"from .deep import size",
        "lib/deep.py": b"size = 6",
    }
    assert value(notebook.open_(files)) == 7


def test_relative_imports_above_the_top_start_at_the_top() -> None:
    files = {"main.py": b"from pkg.a import answer", "pkg/a.py": b"from ..b import answer", "b.py": b"answer = 3"}
    assert value(notebook.open_(files)) == 3


def test_a_package_gives_what_its_init_imports() -> None:
    init = b"from .lenet import LeNet\nfrom .other import *\n"
    files = {"submission.py": b"from models import LeNet, size\nanswer = LeNet.n + size", "models/__init__.py": init,
             "models/lenet.py": b"class LeNet: n = 1", "models/other.py": b"size = 2"}  # fmt: skip
    assert value(notebook.open_(files)) == 3


def test_all_names_of_a_module_are_those_that_it_imports_too() -> None:
    files = {
        "main.py": b"from lib import *\nanswer = floor(m.pi) + 4",
        "lib.py": b"import math as m\nfrom math import floor",
    }
    assert value(notebook.open_(files)) == 7


def test_a_timed_cell_of_a_notebook_that_was_exported_as_a_script_is_read() -> None:
    cell = "get_ipython().run_cell_magic('time', '', 'def f():\\n    return 6\\nanswer = f() + 1\\n')"
    book = open_text(f"import math\n\n{cell}\nget_ipython().run_cell_magic('bash', '', 'answer = 2')\n")
    assert value(book) == 7
    assert book.where("answer").place.line == 3


def test_a_module_gives_the_object_that_is_asked_of_it() -> None:
    net = b"import math\ndef make(): return 5\nnet = make()\nloader = DataLoader()\n"
    book = notebook.open_({"submission.py": b"import net\nanswer = net.net + net.math.floor(1.5)", "net.py": net})
    assert value(book) == 6


def test_a_file_per_question_keeps_its_names_apart() -> None:
    files = {f"q{n}_x.py": f"class Net: n = {n}\nsize = Net.n\nanswer{n} = size".encode() for n in (6, 7)}
    book = notebook.open_(files)
    assert values(book, "answer6", "answer7") == [6, 7]
    assert run(book, book.slice(["size"], question="q7_efficientnet"))["size"] == 7
    found = naming.find(book, "LeNet", ["net"], question="q7_efficientnet")
    assert found.place is not None
    assert (found.name, found.place.file) == ("Net", "q7_x.py")


def test_a_definition_goes_before_an_import_of_the_name() -> None:
    files = {"a.py": b"from b import answer", "b.py": b"answer = 2"}
    where = notebook.open_(files).where("answer")
    assert where is not None
    assert where.place.file == "b.py"


def test_a_sibling_must_not_replace_a_module_that_python_needs() -> None:
    files = {"submission.py": b"import random\nanswer = random.randint(1, 1)", "random.py": b"raise SystemExit"}
    book = notebook.open_(files)
    assert value(book) == 1
    assert book.modules.names == ("submission",)
    assert "random.py cannot be imported" in book.notes[0]


def test_the_order_of_the_files_does_not_matter() -> None:
    files = {"submission.ipynb": book_of("answer = 1"), "a.py": b"answer = 2", "q1.py": b"answer = 3"}
    turned = dict(reversed(files.items()))
    assert notebook.open_(files).files == notebook.open_(turned).files == ("submission.ipynb", "q1.py", "a.py")
    assert value(notebook.open_(turned)) == 1


# ------------------------------------------------------------------------------------------------- finding answers


def test_definitions_say_what_was_found_and_where() -> None:
    book = open_cells("import math", "class Net: pass\ndef relu(x): return x\nconv = 1")
    listed = [str(d) for d in book.definitions]
    assert listed == [
        "math (import, submission.ipynb, cell 1, line 1)",
        "Net (class, submission.ipynb, cell 2, line 1)",
        "relu (function, submission.ipynb, cell 2, line 2)",
        "conv (assignment, submission.ipynb, cell 2, line 3)",
    ]


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("class LeNet: pass", "LeNet"),
        ("class lenet: pass", "lenet"),
        ("class LeNet5: pass\nclass Other: pass", "LeNet5"),
        ("class Net: pass\nnet = Net()", "Net"),
        ("def build_net(): pass\nlenet_5 = build_net()", "lenet_5"),
        ("class Foo: pass", ""),
    ],
)
def test_a_name_is_found_exactly_then_by_alias(code: str, wanted: str) -> None:
    found = naming.find(open_text(code), "LeNet", ["le_?net.*", "(simple)?(net|cnn)"])
    assert found.name == wanted
    assert (found.place is None) == (wanted == "")


def test_what_answers_other_questions_is_asked_only_where_an_answer_is_missing() -> None:
    asked: list[str] = []

    def taken() -> list[str]:
        asked.append("Foo")
        return asked

    naming.find(open_text("class LeNet: pass"), "LeNet", taken=taken)
    assert asked == []
    missing = naming.find(open_text("class Foo: pass"), "LeNet", taken=taken)
    assert "what there is answers other questions" in missing.rule


def test_several_that_fit_are_listed_and_none_is_taken() -> None:
    found = naming.find(open_text("class LeNetA: pass\nclass LeNetB: pass"), "LeNet", ["lenet.*"])
    assert found.name == ""
    assert [d.name for d in found.several] == ["LeNetA", "LeNetB"]
    assert found.rule == "LeNetA, LeNetB could each be LeNet: rename the right one LeNet"


def test_nothing_that_fits_says_what_there_is() -> None:
    found = naming.find(open_cells("import torch", "class Tudui: pass"), "LeNet", ["net"])
    assert (
        found.rule
        == "nothing is named LeNet or alike; found instead: Tudui (class, submission.ipynb, cell 2, line 1). "
        "Bind your answer to the name LeNet"
    )


def test_candidates_are_modules_then_classes_functions_objects() -> None:
    code = """
import torch.nn as nn
SEED = 1
net = build()
class Block(nn.Module): pass
class Data: pass
class Net(Block): pass
class Loop(Loop): pass
def make(): pass
loader = DataLoader(net)
"""
    listed = [f"{c.kind} {c.name}" for c in open_text(code).candidates()]
    assert listed == ["module Block", "module Net", "class Data", "class Loop", "function make", "object net"]


# --------------------------------------------------------------------------------------------------- explanations


@pytest.mark.parametrize(
    "code",
    [
        "Q1 = 'Stride halves.'",
        "Q1 = '''\nStride halves.\n'''",
        "Q1 = ('Stride '\n      'halves.')",
        "Q1 = 'Stride ' + 'halves.'",
        "Q1 = 'TODO'\nQ1 = '  Stride halves. '.strip()",
        "Q1 = 'Stride '\nQ1 += 'halves.'",
        "import textwrap\nQ1 = textwrap.dedent('Stride halves.')",
        "Q1: str = 'Stride halves.'",
        "if __name__ == '__main__':\n    Q1 = 'Stride halves.'",
    ],
)
def test_an_explanation_is_the_string_bound_to_its_name(code: str) -> None:
    assert open_text(code).explanation("Q1", ["q1"]) == "Stride halves."


@pytest.mark.parametrize("code", ["Q1 = 5", "Q1 = ''", "Q1 = f(x)", "Q1 = None", "x = 1"])
def test_without_a_text_there_is_no_explanation(code: str) -> None:
    assert open_text(code).explanation("Q1", ["q1"]) is None


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        (["#md ## Q1 explanation\nBecause."], "Because."),
        (["#md # Q1\n", "#md Because.", "x = 1", "#md Later."], "Because."),
        (["#md # Q1\nBecause.\n### Detail\nMore.\n# Q2\nOther."], "Because.\n### Detail\nMore."),
        (["#md # Q1\n```\n# no heading\n```\n# Q2"], "```\n# no heading\n```"),
        (["#md **Q1 說明:**\n因為步幅。"], "因為步幅。"),
        (["#md # Q1 question", "x = 1", "#md # Q1 answer\nBecause."], "Because."),
        (["#md # Q1\nSee ![plot](attachment:x.png)"], "See ![plot](attachment:x.png)"),
        (["#md # Q1", "x = 1", "#md Unheaded."], None),
        (["#md Q1 without a heading"], None),
    ],
)
def test_an_explanation_is_the_markdown_under_its_heading(cells: list[str], wanted: str | None) -> None:
    assert open_cells(*cells).explanation("Q1_EXPLANATION", ["q1"]) == wanted


@pytest.mark.parametrize(
    "script",
    [
        "# %% [markdown]\n# ## Q1\n# Because.\n#\n# %%\n# # Q1\nx = 1",
        '# %%\nx = 1\n# %% [md]\nr"""\n## Q1\nBecause.\n"""\n# %% Q2\n# Not this.',
        "#!/usr/bin/env python\n# ## Q1\n# Because.\n\n# In[1]:\n\n\nx = 1  # Not this.",
    ],
)
def test_a_notebook_that_was_handed_in_as_a_script_keeps_its_markdown(script: str) -> None:
    assert open_text(script).explanation("Q1_EXPLANATION", ["q1"]) == "Because."


def test_comments_of_a_script_that_was_no_notebook_are_no_explanation() -> None:
    assert open_text("# # Q1\n# Because.\nx = 1").explanation("Q1_EXPLANATION", ["q1"]) is None


def test_the_headings_of_format_3_count_as_headings() -> None:
    cells = [{"cell_type": "heading", "level": 2, "source": "Q1"}, {"cell_type": "markdown", "source": "Because."}]
    assert open_text(json.dumps({"worksheets": [{"cells": cells}]}), "a.ipynb").explanation("X", ["q1"]) == "Because."


# ------------------------------------------------------------------------------------------- right work, disturbed


SOLUTION = """\
import torch
import torch.nn as nn
from torch.nn import functional as F
NUM_CLASSES = 10
def conv_stride(x): return F.conv2d(x, WEIGHT, stride=2)
WEIGHT = torch.ones(4, 3, 3, 3)
hidden = [120]
hidden.append(84)
class Block(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.conv = nn.Conv2d(i, o, 5)
    def forward(self, x):
        return F.max_pool2d(act(self.conv(x)), 2)
def act(x): return F.relu(x)
class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(Block(3, 6), Block(6, 16))
        sizes = [400, *hidden, NUM_CLASSES]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
    def forward(self, x):
        x = self.features(x).flatten(1)
        for layer in self.layers[:-1]:
            x = act(layer(x))
        return self.layers[-1](x)
relu = nn.ReLU()"""

DISTURBANCES = [
    "%matplotlib inline",
    "!pip install torchsummary",
    "%%bash\nrm -rf ~",
    "print(undefined)",
    "import nowhere",
    "x = input()",
    "import matplotlib.pyplot as plt\nplt.imshow(img)\nplt.show()",
    "raise SystemExit",
    "def broken(:\n    pass",
    "print 'x'",
    "net = LeNet()\nnet.load_state_dict(torch.load('x.pth'))",
    "optimizer = torch.optim.SGD(net.parameters())",
    TRAINING,
    "trainset = torchvision.datasets.CIFAR10('.', download=True)\nloader = DataLoader(trainset)",
    "%%time\nwhile True: pass",
    "if __name__ == '__main__':\n    main()",
    "device = torch.device('cuda')\nnet = LeNet().to(device)",
    "summary(LeNet(), (3, 32, 32))",
    "m = nn.Conv2d(16, 33, 3)\nm = nn.Conv2d(16, 33, 5)",
    "from google.colab import drive\ndrive.mount('/content')",
    "#md # Notes",
]


def statements(code: str) -> list[str]:
    """The code's top-level statements."""
    parts: list[str] = []
    for line in code.split("\n"):
        if line.startswith(" "):
            parts[-1] += f"\n{line}"
        else:
            parts.append(line)
    return parts


def disturbed(seed: int) -> bytes:
    """The solution with its free definitions in another order, disturbances between, cut into cells at random."""
    draw = random.Random(seed)  # noqa: S311  # not for secrets
    imports, rest = statements(SOLUTION)[:3], statements(SOLUTION)[3:]
    order = [s for s in rest if not s.startswith("hidden")]
    draw.shuffle(order)
    for line in ("hidden.append(84)", "hidden = [120]"):  # the list before what is appended to it
        order.insert(
            draw.randrange(order.index("hidden.append(84)") + 1 if "hidden.append(84)" in order else len(order)), line
        )
    cells = [[s] for s in imports]
    for statement in order:
        if draw.random() < 0.5:
            cells.append([statement])
        else:
            cells[-1].append(statement)
    for disturbance in draw.sample(DISTURBANCES, 12):
        cells.insert(draw.randrange(len(cells) + 1), [disturbance])
    return book_of(*("\n".join(cell) for cell in cells))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_disturbances_around_a_right_solution_change_nothing(seed: int) -> None:
    import torch

    book = notebook.open_({"submission.ipynb": disturbed(seed)})
    lenet, conv_stride, relu = values(book, "LeNet", "conv_stride", "relu")
    assert sum(p.numel() for p in lenet().parameters()) == 62_006  # type: ignore[operator]
    assert lenet()(torch.ones(2, 3, 32, 32)).shape == (2, 10)  # type: ignore[operator]
    assert conv_stride(torch.ones(1, 3, 5, 5)).tolist() == [[[[27.0] * 2] * 2] * 4]  # type: ignore[operator]
    assert relu(torch.tensor([-1.0, 2.0])).tolist() == [0, 2]  # type: ignore[operator]


def test_reading_and_slicing_take_less_than_fifty_milliseconds() -> None:
    data = disturbed(1)
    best = 1.0
    for _ in range(5):
        start = time.process_time()
        notebook.open_({"submission.ipynb": data}).slice(["LeNet", "conv_stride", "relu"])
        best = min(best, time.process_time() - start)
    assert best < 0.05


# ------------------------------------------------------------------------------------------- classes within functions

WITHIN = """\
import torch.nn as nn

def main(args=None):
    import torch.nn.functional as F
    size = 10
    if size:
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(3072, {classes})
            def forward(self, x):
                return F.relu(self.fc(x.flatten(1)))
    net = Net()

main()
"""


def test_a_class_within_main_is_read_as_if_it_stood_outside() -> None:
    book = open_text(WITHIN.format(classes=10))
    assert [d.name for d in book.definitions if d.kind == "class"] == ["Net"]
    (net,) = values(book, "Net")
    assert net().fc.out_features == 10
    assert book.notes == (
        "submission.py, line 7: the class Net stands within main(); it is read as if it stood outside.",
    )


@pytest.mark.parametrize("classes", ["size", "len(args)"])
def test_a_class_that_uses_variables_of_its_function_stays_there(classes: str) -> None:
    book = open_text(WITHIN.format(classes=classes))
    assert book.where("Net") is None
    assert not book.notes


def test_a_class_outside_goes_before_one_of_the_same_name_within() -> None:
    outside = "import torch.nn as nn\nclass Net(nn.Linear):\n    pass\n"
    assert open_text(outside + WITHIN.format(classes=10)).where("Net").place.line == 2
