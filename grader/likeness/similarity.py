"""Whose code is alike, so that a person can look at it. No torch, and nothing handed in is run.

Theory of operation. Each submission's code is parsed; names of its own, numbers and texts are made equal, so that
renaming hides nothing, while names of library functions stay. What remains is cut into shingles: every LENGTH
consecutive nodes of the tree. Shingles of the handout's starter, and those that most of the class has, are taken away:
the assignment makes people write those. Two submissions are as alike as the shorter one's remaining shingles are
found in the other. That is a reason to look and nothing more: tutorials, study groups and short code look alike too.
"""

from __future__ import annotations

import ast
import contextlib
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from grader.model import Alike, CodeLine, File, Similarity

LENGTH = 14  # nodes: about two statements; shorter ones are idioms
FEWEST = 40  # shingles that must be left of both: what is shorter proves nothing
COMMON_FROM = 4  # students below which "most of the class" means nothing
MOST_PAIRS = 12
MOST_LINES = 60  # of each side of a pair
LEAST_SHARE = 0.3  # below it nobody needs to look
BINS = 10
OPENING = re.compile(r"\n(?=[^\s)\]}#])(?!else|elif|except|finally)")  # where a statement can begin
SILENT = frozenset({ast.Load, ast.Store, ast.Del, ast.alias})  # say nothing of what is done
# Odd numbers by which the places of a shingle are told apart.
WEIGHTS = np.random.default_rng(0).integers(1, 2**63, LENGTH, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
MAGIC = re.compile(r"^\s*[%!?]")


@dataclass(frozen=True)
class _Code:
    """One submission: its lines, and for each shingle (distinct numbers) the lines that it covers."""

    lines: Sequence[str]
    shingles: NDArray[np.uint64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]


def code(files: Sequence[File]) -> str:
    """The Python code of what was handed in: the files in order, of notebooks the cells, magics blanked."""
    return "\n".join(_notebook(f.data) if f.name.endswith(".ipynb") else _text(f.data) for f in files)


def similar(sources: Mapping[str, str], starter: str = "") -> Similarity:
    """The pairs of submissions (student id -> code) that are most alike, the most first, and how the class lies."""
    tokens: dict[str, int] = {}
    codes = {student: _read(source, tokens) for student, source in sources.items()}
    given = _read(starter, tokens).shingles
    sets = {s: np.setdiff1d(np.unique(c.shingles), given) for s, c in codes.items()}
    sets = _without_common(sets)
    sets = {s: own for s, own in sets.items() if len(own) >= FEWEST}
    shares = _shares(sets)
    found = sorted(
        ((share, pair) for pair, share in shares.items() if share >= LEAST_SHARE), key=lambda x: (-x[0], x[1])
    )
    highest = dict.fromkeys(sets, 0.0)
    for pair, share in shares.items():
        for student in pair:
            highest[student] = max(highest[student], share)
    return Similarity(
        compared=len(sets),
        highest=tuple(_histogram(list(highest.values()))),
        found=len(found),
        pairs=tuple(_pair(pair, share, codes, sets) for share, pair in found[:MOST_PAIRS]),
    )


def _text(data: bytes) -> str:
    return "\n".join("" if MAGIC.match(line) else line for line in data.decode("utf-8", "replace").splitlines())


def _notebook(data: bytes) -> str:
    """The code cells of a notebook; "" where it is none."""
    try:
        cells = json.loads(data)["cells"]
        sources = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return "\n".join(_text(s.encode("utf-8", "replace")) for s in sources)


def _read(source: str, tokens: dict[str, int]) -> _Code:
    walk = _Walk(tokens)
    for tree in _trees(source):
        with contextlib.suppress(RecursionError):  # nested beyond what anybody writes
            walk.down(tree, 1)
    numbers, lines = np.array(walk.kinds, np.uint64), np.array(walk.lines, np.int64)
    if len(numbers) < LENGTH:
        none = np.array([], np.int64)
        return _Code(source.splitlines(), np.array([], np.uint64), none, none)
    with np.errstate(over="ignore"):  # wrapping round is what a hash does
        windows = np.lib.stride_tricks.sliding_window_view(numbers + np.uint64(1), LENGTH)
        shingles = (windows * WEIGHTS).sum(axis=1, dtype=np.uint64)
    covered = np.lib.stride_tricks.sliding_window_view(lines, LENGTH)
    return _Code(source.splitlines(), shingles, covered.min(axis=1), covered.max(axis=1))


def _trees(source: str) -> Iterator[ast.AST]:
    """The parsed code; where it is broken, the statements that are not."""
    if tree := _parsed(source):
        yield tree
        return
    line = 1
    for part in OPENING.split(source):
        if tree := _parsed(part):
            ast.increment_lineno(tree, line - 1)
            yield tree
        line += part.count("\n") + 1


def _parsed(source: str) -> ast.AST | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape is the student's, and no concern here
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class _Walk:
    """The nodes of a tree in the order of the text: kinds as numbers, and lines. It is most of the time spent here."""

    def __init__(self, tokens: dict[str, int]) -> None:
        self.kinds: list[int] = []
        self.lines: list[int] = []
        self._tokens = tokens

    def down(self, node: ast.AST, line: int) -> None:
        """Take a node and all below it; explanations in strings are not code."""
        kind, held = type(node), node.__dict__
        if kind in SILENT or (kind is ast.Expr and _is_text(held["value"])):
            return
        line = held.get("lineno", line)
        name = _attribute(node) if isinstance(node, ast.Attribute) else kind.__name__
        self.kinds.append(self._tokens.setdefault(name, len(self._tokens)))
        self.lines.append(line)
        for value in held.values():
            if type(value) is list:
                for one in value:
                    if isinstance(one, ast.AST):
                        self.down(one, line)
            elif isinstance(value, ast.AST):
                self.down(value, line)


def _is_text(node: object) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _attribute(node: ast.Attribute) -> str:
    """What is called of a library keeps its name; what is the student's own does not."""
    own = isinstance(node.value, ast.Name) and node.value.id == "self"
    return "Attribute" if own else f"Attribute {node.attr}"


def _without_common(sets: dict[str, NDArray[np.uint64]]) -> dict[str, NDArray[np.uint64]]:
    """Without the shingles that more than half of the class has."""
    if len(sets) < COMMON_FROM:
        return sets
    distinct, counts = np.unique(np.concatenate(list(sets.values())), return_counts=True)
    common = distinct[counts > len(sets) / 2]
    return {s: np.setdiff1d(own, common, assume_unique=True) for s, own in sets.items()}


def _shares(sets: dict[str, NDArray[np.uint64]]) -> dict[tuple[str, str], float]:
    """How much of the shorter one is found in the other, for every pair."""
    if len(sets) < 2:
        return {}
    distinct, counts = np.unique(np.concatenate(list(sets.values())), return_counts=True)
    columns = distinct[counts > 1]
    has = np.zeros((len(sets), max(len(columns), 1)), np.float32)
    for row, own in enumerate(sets.values()):
        has[row, np.flatnonzero(np.isin(columns, own, assume_unique=True))] = 1
    both = has @ has.T
    names, sizes = list(sets), [len(own) for own in sets.values()]
    return {
        (names[i], names[j]): float(both[i, j]) / min(sizes[i], sizes[j]) for i, j in combinations(range(len(names)), 2)
    }


def _histogram(shares: Sequence[float]) -> list[int]:
    counts = [0] * BINS
    for share in shares:
        counts[min(int(share * BINS), BINS - 1)] += 1
    return counts


def _pair(pair: tuple[str, str], share: float, codes: dict[str, _Code], sets: dict[str, NDArray[np.uint64]]) -> Alike:
    """Two submissions with the lines that they share."""
    shared = np.intersect1d(sets[pair[0]], sets[pair[1]], assume_unique=True)
    left, right = (_lines(codes[s], shared) for s in pair)
    return Alike(students=pair, share=round(share, 4), shingles=len(shared), left=left, right=right)


def _lines(one: _Code, shared: NDArray[np.uint64]) -> tuple[CodeLine, ...]:
    """The lines under shared shingles, so far as there is room."""
    at = np.flatnonzero(np.isin(one.shingles, shared))
    numbers = sorted({n for i in at for n in range(int(one.first[i]), int(one.last[i]) + 1)})
    kept = [n for n in numbers if n <= len(one.lines) and one.lines[n - 1].strip()]
    return tuple(CodeLine(number=n, text=one.lines[n - 1][:160]) for n in kept[:MOST_LINES])
