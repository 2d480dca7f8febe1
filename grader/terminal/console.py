"""What a command shows in the terminal when it is done."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from grader.model import Scorecard, Verdict
from grader.text import plain

if TYPE_CHECKING:
    from grader.doctor.attack import Result

COLOURS = {Verdict.PASSED: "green", Verdict.UNGRADED: "yellow", Verdict.SKIPPED: "dim", Verdict.INTERNAL: "magenta"}


def verdict(value: Verdict) -> Text:
    """A verdict in its colour."""
    return Text(value.value, style=COLOURS.get(value, "red"))


def class_summary(scorecards: list[Scorecard]) -> Table:
    """One line per submission: points and how many checks ended how."""
    table = Table("student", "points", "pending", "verdicts", title="Gradebook")
    for card in scorecards:
        counts = Counter(c.verdict for c in card.checks)
        text = Text("  ").join(Text(f"{n} ").append(verdict(v)) for v, n in counts.most_common())
        table.add_row(plain(card.student_id), f"{card.grade:g}/{card.max_points:g}", f"{card.pending_points:g}", text)
    return table


def attacks(results: list[Result]) -> Table:
    """One line per group of attacks, and one per attack that came through."""
    table = Table("group", "attacks", "came through", title="The attack suite on this machine")
    for group, members in groupby(sorted(results, key=lambda r: r.group), key=lambda r: r.group):
        tried = list(members)
        through = [r for r in tried if r.problems]
        table.add_row(group, str(len(tried)), Text(str(len(through)), style="red" if through else "green"))
        for result in through:
            table.add_row("", plain(result.name), Text("; ".join(map(plain, result.problems)), style="red"))
    return table
