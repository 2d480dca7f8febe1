"""Who looks alike: what counts, what does not, and that nothing handed in can stop the comparison."""

import json
import random
import time
from pathlib import Path

import pytest

from grader import likeness
from grader.likeness import similarity
from grader.model import File, Similarity, Submission

NET = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 5)
        self.second = nn.Conv2d(6, 16, 5)
        self.head = nn.Linear(400, 10)

    def forward(self, x):
        x = F.max_pool2d(torch.relu(self.first(x)), 2)
        x = F.max_pool2d(torch.relu(self.second(x)), 2)
        return self.head(x.flatten(1))
"""
OTHER = """
def conv(x, weight, bias):
    rows = []
    for i in range(x.shape[0]):
        rows.append([sum(x[i, j] * weight[j] for j in range(4)) + bias for _ in range(3)])
    while len(rows) < 10 and bias:
        rows = [r + s for r, s in zip(rows, rows[1:])]
    try:
        return torch.stack([torch.tensor(r) for r in rows])
    except (RuntimeError, ValueError) as wrong:
        raise TypeError(f"{wrong}") from None
"""


def shares(sources: dict[str, str], starter: str = "") -> dict[tuple[str, str], float]:
    return {p.students: p.share for p in similarity.similar(sources, starter).pairs}


def renamed(source: str) -> str:
    for old, new in (("Net", "Mine"), ("first", "eins"), ("second", "zwei"), ("x", "bild"), ("400", "401")):
        source = source.replace(old, new)
    return source.replace("mabild", "max")


def test_renaming_hides_nothing() -> None:
    assert shares({"ada": NET, "bob": "# mine\n" + renamed(NET)}) == {("ada", "bob"): 1.0}


def test_different_code_is_not_alike() -> None:
    assert shares({"ada": NET, "bob": OTHER}) == {}


def test_what_the_handout_gives_does_not_count() -> None:
    found = similarity.similar({"ada": NET + OTHER, "bob": NET, "cy": NET + OTHER}, starter=NET)
    assert {p.students for p in found.pairs} == {("ada", "cy")}
    assert found.compared == 2


def test_what_more_than_half_of_the_class_wrote_does_not_count() -> None:
    class_of = dict.fromkeys("abcde", NET) | {"x": NET + OTHER, "y": NET + OTHER}
    assert set(shares(class_of)) == {("x", "y")}


def test_the_shared_lines_are_shown_with_their_numbers() -> None:
    (pair,) = similarity.similar({"ada": "a = 1\nb = 2\n" + NET, "bob": NET}).pairs
    assert pair.left[0].number == pair.right[0].number + 2
    assert [line.text for line in pair.left] == [line.text for line in pair.right]
    assert "class Net(nn.Module):" in [line.text for line in pair.left]


def test_the_class_is_told_by_the_share_with_whoever_is_most_alike() -> None:
    found = similarity.similar({"ada": NET, "bob": NET, "cy": OTHER})
    assert (found.compared, found.highest, found.found) == (3, (1, 0, 0, 0, 0, 0, 0, 0, 0, 2), 1)


def test_a_broken_statement_costs_only_itself() -> None:
    assert shares({"ada": "print 'old'\n" + NET + "\ndef half(:\n    pass\n", "bob": NET}) == {("ada", "bob"): 1.0}


def test_notebooks_are_compared_by_their_cells() -> None:
    cells = [{"cell_type": "markdown", "source": "x"}, {"cell_type": "code", "source": ["%matplotlib inline\n", NET]}]
    notebook = File("a.ipynb", json.dumps({"cells": cells}).encode())
    assert shares({"ada": similarity.code([notebook]), "bob": NET}) == {("ada", "bob"): 1.0}


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 9, b"[" * 90_000, b"\xff\xfe", b'{"cells": 3}', b"x = " + b"(" * 5_000, b"'\\d'"]
)
def test_nothing_handed_in_stops_the_comparison(data: bytes) -> None:
    sources = {name: similarity.code([File(name, data)]) for name in ("a.py", "b.ipynb")}
    assert similarity.similar(sources).pairs == ()


def test_an_empty_class_is_compared() -> None:
    assert similarity.similar({}) == Similarity(compared=0, highest=(0,) * 10, found=0, pairs=())


def test_what_is_kept_reads_back(tmp_path) -> None:  # type: ignore[no-untyped-def]
    found = likeness.keep(tmp_path, [], likeness.About("tiny", frozenset(), tmp_path))
    assert likeness.kept(tmp_path) == found
    (tmp_path / likeness.KEPT).write_text("{")
    assert likeness.kept(tmp_path) is None


def test_who_is_not_graded_again_is_still_compared(tmp_path: Path) -> None:
    def graded(students: str, everybody: str, assignment: str = "tiny") -> int:
        submissions = [Submission(s, (File("submission.py", NET.encode()),)) for s in students]
        return likeness.keep(tmp_path, submissions, likeness.About(assignment, frozenset(everybody), tmp_path)).found

    assert graded("ab", "ab") == 1
    assert graded("c", "abc") == 3
    assert graded("c", "c", "other") == 0
    assert graded("c", "bc") == 1, "whoever left the gradebook is compared no more"


def test_code_that_was_kept_and_cannot_be_read_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / likeness.SOURCES).write_bytes(b"no gzip")
    about = likeness.About("tiny", frozenset("a"), tmp_path)
    assert likeness.keep(tmp_path, [Submission("a", (File("a.py", NET.encode()),))], about).compared == 1


@pytest.mark.slow
def test_a_class_of_three_hundred_takes_seconds() -> None:
    rng = random.Random(0)  # noqa: S311  # a seed is wanted
    words = [f"w{i}" for i in range(60)]
    line = "y = x.{}(z.{}, 3) + [u.{} for u in v if u.{}(y) > 2]"
    sources = {f"s{i}": NET + "\n".join(line.format(*rng.choices(words, k=4)) for _ in range(60)) for i in range(300)}
    before = time.process_time()
    assert similarity.similar(sources).compared == 300
    assert time.process_time() - before < 5
