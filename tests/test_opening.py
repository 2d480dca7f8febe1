"""What stands inside functions is read as if it stood outside where nothing else answers; and what a string chooses."""

from __future__ import annotations

import pytest

from grader.source import labels, notebook
from grader.source.notebook import Book
from grader.untrusted.shelf import Shelf

TRAINER = """
class Trainer:
    def __init__(self, net=None):
        self.net = net
        self.build(4)
    def build(self, n):
        self.size = 5
        self.net = self.size
"""


def opened(code: str) -> Book:
    book = notebook.open_({"a.py": code.encode()}).opened
    assert book is not None
    return book


def value(code: str, name: str = "net") -> object:
    book = opened(code)
    return Shelf(book, book.slice([name])).get(name)


@pytest.mark.parametrize(
    "code",
    [
        "def main():\n    net = 5",
        "def main(size=4, *, more=1):\n    net = size + more",
        "def main():\n    with open('a'):\n        net = 5\n    return net",
        "def main():\n    try:\n        net = 5\n    except Exception:\n        raise",
        "def main():\n    import math\n    net = math.floor(5.5)",
        "def main():\n    size = 4\n    if size:\n        net = size + 1",
        "def main():\n    def make():\n        return 5\n    net = make()",
        TRAINER,
        "def main():\n    net = later()\n\ndef later():\n    return 5",
        "class Q:\n    net = 5",
        "class Q:\n    size: int = 4\n    net = size + 1",
        "class T:\n    def __init__(self):\n        self.net = self.make()\n    def make(self, n=5):\n        return n",
        "class T:\n    @staticmethod\n    def make(n): return n\n    def build(self):\n        self.net = T.make(5)",
        "async def other(): pass\ndef main(net):\n    pass\ndef second():\n    net = 5",
    ],
)
def test_what_a_function_binds_is_bound_outside(code: str) -> None:
    assert value(code) == 5


def test_what_stands_outside_goes_before_what_stands_within() -> None:
    assert value("net = 1\ndef main():\n    net = 2") == 1


def test_where_a_name_stands_is_known() -> None:
    book = opened("class T:\n    def build(self):\n        self.net = 5\n")
    found = book.where("net")
    assert found is not None
    assert (found.within, str(found.place)) == ("T.build", "a.py, line 3")


def test_a_method_is_a_function_without_its_object() -> None:
    relu = value("class Q2:\n    low = 0\n    def relu(self, x):\n        return max(x, self.low)", "relu")
    assert callable(relu)
    assert (relu(-3), relu(4)) == (0, 4)


def test_a_networks_own_methods_stay_closed() -> None:
    code = "import torch.nn as nn\nclass A(nn.Module):\n    def __init__(self):\n        self.relu = nn.ReLU()"
    assert notebook.open_({"a.py": code.encode()}).opened is None


@pytest.mark.parametrize(
    "code",
    [
        "class T:\n    def m(self):\n        self.net = a" + ".b" * 900,
        "def main():\n    net = " + "f(" * 150 + "1" + ")" * 150,
        "def main():\n" + "".join(f"{'  ' * i}if x:\n" for i in range(1, 98)) + "  " * 98 + "net = 1",
        "def main():\n    net = 1\n    yield net",
    ],
)
def test_functions_out_of_proportion_are_opened_or_left_closed(code: str) -> None:
    book = notebook.open_({"a.py": f"net = 1\n{code}".encode()})
    assert Shelf(book.opened or book, (book.opened or book).slice(["net"])).get("net") == 1


CHOICES = [
    'TABLE = {"lenet": Five, "other": Other}',
    'TABLE = {"lenet": lambda: Five(10), "other": Other}',
    'TABLE["lenet"] = Five',
    'if args.model == "lenet":\n    net = Five()\nelif args.model == "other":\n    net = Other()',
    'def get(name):\n    if name.lower() in ("x", "lenet"):\n        return Five().cuda()\n    return Other()',
    'net = Five() if name == "lenet" else Other()',
    'match name:\n    case "lenet":\n        net = Five()\n    case "other":\n        net = Other()',
    '@register("lenet")\nclass Five: pass',
]


@pytest.mark.parametrize("code", CHOICES)
def test_what_a_string_chooses_is_seen(code: str) -> None:
    book = notebook.open_({"a.py": code.encode()})
    assert book.called("LENET") == {"Five": "lenet"}


def test_a_string_that_chooses_nothing_is_no_label() -> None:
    code = 'state = {"net": net.state_dict()}\nprint("lenet", Five())\nif "lenet":\n    for x in y:\n        Five()'
    book = notebook.open_({"a.py": code.encode()})
    assert list(labels.labels(book.flows[0].units[0].node)) == []
    assert book.called("lenet") == {}
