"""What a command shows in the terminal: a progress bar with what is running now, or plain lines elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from grader.batch import Event
from grader.model import Scorecard, Verdict
from grader.text import plain

if TYPE_CHECKING:
    from grader.attack import Result

COLOURS = {Verdict.PASSED: "green", Verdict.UNGRADED: "yellow", Verdict.SKIPPED: "dim", Verdict.INTERNAL: "magenta"}
RUNNING_SHOWN = 3


class Display:
    """Follows a run. On a terminal: a bar. Elsewhere: one line per finished submission."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._running: dict[str, str] = {}
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("[progress.description]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[now]}"),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("Grading", total=total, now="starting")

    @contextmanager
    def shown(self) -> Iterator[Display]:
        """The display, while its block runs."""
        with self._progress:
            yield self

    def watch(self, event: Event) -> None:
        """Show an event."""
        student = plain(event.student_id)
        if event.kind in ("ready", "note"):
            self._console.print(Text(event.text, style="dim"), soft_wrap=True)
        elif event.kind == "finished":
            self._running.pop(student, None)
            self._progress.advance(self._task)
            self._console.print(Text(f"{student}: {event.text}"), soft_wrap=True)
        elif event.kind in ("began", "checked"):
            self._running[student] = plain(event.text)
        now = [f"{name} {what}".strip() for name, what in list(self._running.items())[-RUNNING_SHOWN:]]
        self._progress.update(self._task, now=", ".join(now))


def verdict(value: Verdict) -> Text:
    """A verdict in its colour."""
    return Text(value.value, style=COLOURS.get(value, "red"))


def class_summary(scorecards: list[Scorecard]) -> Table:
    """One line per submission: points and how many checks ended how."""
    table = Table("student", "points", "pending", "verdicts", title="Gradebook")
    for card in scorecards:
        counts = Counter(c.verdict for c in card.checks)
        text = Text("  ").join(Text(f"{n} ").append(verdict(v)) for v, n in counts.most_common())
        table.add_row(plain(card.student_id), f"{card.points:g}/{card.max_points:g}", f"{card.pending_points:g}", text)
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
