"""The accuracies that a student's notebook printed -> Claims, shown beside what was measured. Trusted: reads only text.

A claim is never believed and never held against anybody: training at home differs from ours in every number. Which
network was meant is told from the code before it: the last of the asked-for networks that is made or defined there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from grader.assignment import Answer, Assignment
from grader.model import Claim, File

OUTPUT_CHARACTERS = 200_000  # of one cell; per-class tables are a thousandth of that
CODE_CHARACTERS = 200_000
LINE_CHARACTERS = 300
MOST = 200  # claims of one submission: a dozen networks of ten classes, and their totals

NUMBER = r"(?P<number>\d{1,3}(?:\.\d{1,6})?)\s*(?P<percent>[%\uff05])?"
CLASS = re.compile(
    rf"\bacc(?:uracy)?\s*(?:for|of|on)\s+(?:the\s+)?(?:class\b\s*:?\s*)?[\"'\[(]?(?P<name>[^\W\d_]{{1,20}})[\"'\])]?"
    rf"\s*(?:class\s*)?(?:is)?\s*[:=]?\s*{NUMBER}\s*$",
    re.IGNORECASE,
)
ALL = re.compile(
    r"(?:\baccuracy\b|\bacc\b|準確率|正確率)[^%\d:=]{0,60}(?:\d[\d,]* (?:test )?(?:images|samples))?"
    rf"[^%\d:=]{{0,30}}[:=]?\s*{NUMBER}",
    re.IGNORECASE,
)
NOT_A_TEST = re.compile(r"\btrain(?:ing)?\b|\bepoch\b|\bbatch\b|\bloss\b", re.IGNORECASE)
NOT_A_CLASS = frozenset({"the", "network", "model", "net", "test", "all", "train", "our", "my", "epoch"})
MAKES = re.compile(r"(?P<class>\bclass\s+)?\b(?P<name>[A-Za-z_]\w{0,60})\s*\(")
VARIABLES = frozenset({"net", "cnn", "model"})  # what a network is called whichever it is


def claims(files: Iterable[File], assignment: Assignment) -> tuple[Claim, ...]:
    """The claims in a submission's notebooks, in their order; whatever cannot be read has none."""
    found: list[Claim] = []
    for file in files:
        if file.name.lower().endswith(".ipynb"):
            found += _of_notebook(file, assignment)
    return tuple(found[:MOST])


def _of_notebook(file: File, assignment: Assignment) -> Iterator[Claim]:
    cells = [(_text(c.get("source") or c.get("input")), _printed(c)) for c in _cells(file.data)]
    networks = _names([code for code, _ in cells], assignment)
    classes = _classes(assignment)
    question = ""
    for number, (code, printed) in enumerate(cells, 1):
        question = next((networks[n] for n in reversed(_made(code)) if n in networks), question)
        for line in printed.splitlines():
            if claim := _claim(" ".join(line[:LINE_CHARACTERS].split())):  # runs of blanks would take seconds
                said, fraction = claim
                name = classes.get(said.casefold(), said)
                yield Claim(question=question, file=file.name, cell=number, name=name, fraction=fraction)


def _classes(assignment: Assignment) -> dict[str, str]:
    """The assignment's class for each name that one may have, in small letters."""
    names = {c: (c, *assignment.class_aliases.get(c, ())) for c in assignment.classes}
    return {alias.casefold(): c for c, aliases in names.items() for alias in aliases}


def _cells(data: bytes) -> list[dict[str, Any]]:
    """The code cells of a notebook of format 3 or 4."""
    try:
        book = json.loads(data.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError, MemoryError):
        return []
    if not isinstance(book, dict):
        return []
    cells = book.get("cells")
    if cells is None and isinstance(sheets := book.get("worksheets"), list):
        cells = [c for s in sheets if isinstance(s, dict) and isinstance(s.get("cells"), list) for c in s["cells"]]
    return [c for c in cells if isinstance(c, dict) and c.get("cell_type") == "code"] if isinstance(cells, list) else []


def _printed(cell: dict[str, Any]) -> str:
    """What a cell printed, as far as it is text."""
    outputs = cell.get("outputs")
    texts = [_text(o.get("text")) for o in outputs if isinstance(o, dict)] if isinstance(outputs, list) else []
    return "\n".join(t for t in texts if t)[:OUTPUT_CHARACTERS]


def _text(value: object) -> str:
    if isinstance(value, list):
        value = "".join(part for part in value if isinstance(part, str))
    return value[:CODE_CHARACTERS] if isinstance(value, str) else ""


def _claim(line: str) -> tuple[str, float] | None:
    """(class or "", fraction) of a line that says an accuracy; not of one that reports on training."""
    if (match := CLASS.search(line)) and match["name"].lower() not in NOT_A_CLASS:
        return _fraction(match, match["name"])
    if NOT_A_TEST.search(line):
        return None
    match = ALL.search(line)
    return _fraction(match, "") if match else None


def _fraction(match: re.Match[str], name: str) -> tuple[str, float] | None:
    """The number as a fraction: "59.6 %", "59.6" and "0.596" are one."""
    number = float(match["number"])
    value = number / 100 if match["percent"] or number > 1 else number
    return (name, round(value, 6)) if value <= 1 else None


def _made(code: str) -> list[str]:
    """The classes that a cell defines and the names that it calls, in order."""
    return [m["name"] for m in MAKES.finditer(code) if m["class"] or m["name"].lower() not in VARIABLES]


def _names(codes: Iterable[str], assignment: Assignment) -> dict[str, str]:
    """The question of each name that stands for a network here: the best of what fits its answer's names."""
    made = dict.fromkeys(name for code in codes for name in _made(code))
    found: dict[str, str] = {}
    for question in assignment.questions:
        if question.network:
            found |= dict.fromkeys(_best(made, question.answers[0]), question.id)
    return found


def _best(made: Iterable[str], answer: Answer) -> list[str]:
    """The names that match the answer's own name, else those that match its first alias that any matches."""
    for pattern in (re.escape(answer.name), *answer.aliases):
        if names := [n for n in made if re.fullmatch(pattern, n, re.IGNORECASE)]:
            return names
    return []
