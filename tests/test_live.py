"""`check` in a notebook: with a real kernel, and in plain Python."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
import torch
from IPython.core import interactiveshell
from torch import nn
from traitlets.config import Config

from grader import batch, live
from grader.assignment import Assignment
from grader.errors import AssignmentError, UsageError
from grader.live.here import CUT, MOST_PRINTED, Prints
from grader.live.inline import Checked
from grader.live.names import look_up, own_copy
from grader.model import CheckResult, QuestionResult, Verdict, Visibility
from grader.plan import Plan
from tests.hurried import ROOT
from tests.tiny import RIGHT, WRONG, Tiny, own_session, submission

EXECUTE = """
import sys, nbformat
from nbclient import NotebookClient
book = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(book, timeout=200, kernel_name="python3", allow_errors=True).execute()
nbformat.write(book, sys.argv[1])
"""


def run(code: str, folder: Path, *arguments: str | Path) -> str:
    """What a Python of its own prints."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def executed(folder: Path, *cells: str) -> list[nbformat.NotebookNode]:
    """The outputs of the last cell of a notebook that a real kernel has run."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(book, folder / "book.ipynb")
    run(EXECUTE, folder, folder / "book.ipynb")
    return nbformat.read(folder / "book.ipynb", as_version=4).cells[-1].outputs


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return Tiny(tmp_path).write()


@pytest.mark.slow
def test_a_cell_shows_the_result_of_the_objects_that_are_defined_now(tiny: Tiny) -> None:
    cells = [WRONG, "from grader import check", RIGHT, 'check("q1")']
    [shown] = executed(tiny.assignment, *cells)
    assert shown.output_type == "execute_result"
    assert "PASSED" in shown.data["text/plain"]
    assert "1 of 1 public checks pass; hidden checks are not part of this kit (there is 1)." in shown.data["text/html"]


@pytest.mark.slow
def test_an_error_is_placed_by_its_cell_and_what_the_code_prints_is_shown(tiny: Tiny) -> None:
    cell = "def double(x):\n    print('shape', tuple(x.shape))\n    raise ValueError('no')"
    printed, shown = executed(tiny.assignment, "from grader import check", cell, 'check("q1", lang="zh-TW")')
    assert (printed.name, printed.text) == ("stdout", "shape (1,)\n")
    assert "發生錯誤而停止" in shown.data["text/html"]
    assert "double 在 cell In[2] 第 3 行發生 ValueError" in shown.data["text/plain"]
    assert "這不是成績" in shown.data["text/plain"]


@pytest.mark.slow
def test_plain_python_sees_the_names_of_whoever_calls(tiny: Tiny) -> None:
    said = run(f"{WRONG}\nfrom grader import check\nprint(check('q1_double'))", tiny.assignment)
    assert "FAILED        double gives 2 for 1." in said
    assert "double(1) is not 2." in said
    assert "It is no grade" in said


@pytest.mark.slow
def test_importing_grader_is_cheap_and_an_unknown_name_is_one() -> None:
    code = "import grader, sys; print('torch' in sys.modules, 'pydantic' in sys.modules, hasattr(grader, 'chekc'))"
    assert run(code, ROOT).split() == ["False", "False", "False"]


def test_checks_that_pytest_does_not_run_are_no_result(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "options", lambda _: ["--no-such-option"])
    spec = tiny.load()
    with pytest.raises(AssignmentError, match=r"pytest could not run the public checks of tiny \(USAGE_ERROR\)"):
        live.checked(spec, spec.questions, {})


# ------------------------------------------------------------------------------------- what a notebook's names give

NOTEBOOK = """
import torch
from torch import nn
from grader import live, assignment

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
            nn.Linear(84, 10))
    def forward(self, x):
        return self.layers(x)

lenet = Net()
lenet.last = lenet(torch.rand(1, 3, 32, 32))
conv_stride = nn.Conv2d(16, 33, 3, stride=2)
before = [t.clone() for m in (lenet, conv_stride) for t in m.state_dict().values()]
state = torch.get_rng_state()
from grader import check
print(check("q1", "q6"))
after = [t for m in (lenet, conv_stride) for t in m.state_dict().values()]
print("unchanged:", all(torch.equal(a, b) for a, b in zip(before, after)), torch.equal(state, torch.get_rng_state()))
print("gradients:", conv_stride.weight.grad, lenet.training, lenet.last.shape)
"""


@pytest.mark.slow
def test_a_check_leaves_weights_random_numbers_and_modes_as_they_were() -> None:
    said = run(NOTEBOOK, ROOT)
    assert "8 of 12 public checks pass" in said, said
    assert "unchanged: True True" in said
    assert "gradients: None True torch.Size([1, 10])" in said


def live_check(spec: Assignment, source: str) -> CheckResult:
    """The first check, of what the source defines, in this process."""
    names: dict[str, object] = {"__name__": "__main__"}
    exec(compile(source, "<cell>", "exec"), names)  # noqa: S102  # a notebook's cell
    with own_session():
        return live.checked(spec, spec.questions, names).questions[0].checks[0]


def test_a_student_who_interrupts_gets_the_notebook_back(tiny: Tiny) -> None:
    found = live_check(tiny.load(), "def double(x):\n    raise KeyboardInterrupt\n")
    assert (found.verdict, found.message[:18]) == ("TIMED_OUT", "You interrupted it")


CELLS = {
    "right": RIGHT,
    "wrong": WRONG,
    "in-place": "def double(x):\n    x += 1\n    return x\n",
    "raises": "def double(x):\n    raise ValueError('no')\n",
    "a-string": "def double(x):\n    return 'two'\n",
    "exits": "import sys\ndef double(x):\n    sys.exit(3)\n",
    "a-number": "double = 3\n",
    "sparse": "def double(x):\n    return (2 * x).to_sparse()\n",
    "none": "double = None\n",
    "nothing": "import torch\n",
}


@pytest.mark.slow
def test_verdicts_and_messages_are_those_of_grader_check_but_for_the_place(tiny: Tiny) -> None:
    cards: dict[str, CheckResult] = {}
    spec = tiny.load()
    plan = Plan(str(spec.folder), None, None, "cpu", "quick", 1, None, train=False, trust=True)
    batch.grade(
        plan,
        spec,
        [submission(name, source) for name, source in CELLS.items()],
        lambda _: None,
        lambda card: cards.update({card.student_id: card.checks[0]}),
    )
    for name, source in CELLS.items():
        found, wanted = live_check(spec, source), cards[name]
        assert found.verdict is wanted.verdict, name
        if name not in ("none", "nothing"):  # there a cell has to be run, not a file to be mended
            assert placeless(found.message) == placeless(wanted.message)
    assert {c.verdict for c in cards.values()} == {"PASSED", "FAILED", "RAISED", "MISSING"}


def placeless(message: str) -> str:
    return re.sub(r" at [^:]*, line \d+", "", message)


# --------------------------------------------------------------------------------------------------- looking names up


class Net(nn.Module):
    """Stands for a class of the notebook's."""


def names(**bound: object) -> dict[str, object]:
    return {"__name__": __name__, "_hidden": Net(), "In": [], **bound}


def test_an_answer_is_found_by_its_name_before_an_alias() -> None:
    assert look_up(names(relu=1, my_relu=Net()), "relu", ["my_relu"], set())[0] == "relu"
    assert look_up(names(my_relu=Net()), "relu", ["my_relu"], set())[0] == "my_relu"


def test_a_class_is_taken_before_its_object() -> None:
    assert look_up(names(Net=Net, net=Net()), "LeNet", ["net"], set())[0] == "Net"


def test_two_that_fit_are_both_named() -> None:
    found, message = look_up(names(net=Net(), NET=Net()), "LeNet", ["net"], set())
    assert (found, message) == ("", "net, NET could each be LeNet: rename the right one LeNet")


def test_modules_imports_private_names_and_other_answers_are_not_taken() -> None:
    there = names(torch=torch, Linear=nn.Linear, linear2=Net())
    assert look_up(there, "x", [".*"], {"linear2"})[0] == ""


def test_a_copy_of_a_layer_that_keeps_its_output_is_its_own() -> None:
    layer = nn.Linear(2, 2)
    layer.kept = layer(torch.ones(2))
    copied = own_copy(layer)
    assert torch.equal(copied.weight, layer.weight)
    assert copied.weight.data_ptr() != layer.weight.data_ptr()
    assert own_copy(Net) is Net


# -------------------------------------------------------------------------------------------------------- what is shown


def result(title: str, message: str) -> Checked:
    check = CheckResult(
        id="test_x",
        title=title,
        visibility=Visibility.PUBLIC,
        verdict=Verdict.FAILED,
        points=0,
        max_points=1,
        message=message,
    )
    return Checked((QuestionResult(id="q1", title="Q1", checks=(check,)),), 2)


class Tags(HTMLParser):
    """The tags and attributes of a fragment, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_students_text_is_text_and_nothing_else() -> None:
    html = Tags(result("<b>t</b>", "<script>alert(1)</script>\"'><img src=x onerror=y>")._repr_html_())
    assert set(html.tags) <= {"div", "table", "tr", "th", "td", "span", "p", "strong"}
    assert html.names <= {"style", "colspan", "scope", "lang"}
    assert "<script>alert(1)</script>" in html.text


def test_the_result_says_that_it_is_no_grade_in_both_forms() -> None:
    shown = result("t", "m")
    assert not shown.passed
    for text in (repr(shown), shown._repr_html_()):
        assert "0 of 1 public checks pass; hidden checks are not part of this kit (there are 2)." in text
        assert "It is no grade" in text


def test_a_flood_of_prints_is_cut_once() -> None:
    shown = io.StringIO()
    prints = Prints(shown)
    lengths = [prints.write("x" * 4000) for _ in range(5)]
    assert lengths == [4000] * 5
    assert shown.getvalue() == "x" * MOST_PRINTED + CUT


def test_a_language_that_there_is_not_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="no language 'de': wanted 'en' or 'zh-TW'"):
        live.check("q1", lang="de")


def test_in_a_notebook_what_cannot_be_asked_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    shell = interactiveshell.InteractiveShell(config=Config(HistoryManager={"enabled": False}))
    shell.run_cell("from grader.errors import UsageError\nraise UsageError('there is no question q9')")
    assert capsys.readouterr().out == "UsageError: there is no question q9\n"
