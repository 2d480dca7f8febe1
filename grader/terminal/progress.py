"""How a grading goes, while it goes: who is done, who runs and for how long, who waits, and when it will end.

On a terminal a bar with one line for each submission in work; elsewhere one plain line for each finished submission;
for tools, with `json_lines`, one JSON object a line on stdout and nothing else.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from grader.batch import Event
from grader.model import Gradebook, Scorecard, Verdict
from grader.store.remainder import Remainder
from grader.terminal import console
from grader.text import plain

RUNNING_SHOWN = 6
OTHERS_NAMED = 8
SLOW = 3.0  # times the median of those that are done
TRAINING = "its networks train"


@dataclass
class Running:
    """A submission in work: since when (by the clock of the display), and what was last heard of it."""

    since: float
    what: str = ""


@dataclass
class State:
    """How far a grading is. Seconds are wall time; a submission waits until the judge begins it."""

    total: int = 0
    done: int = 0
    started: float = 0.0
    first: float | None = None
    running: dict[str, Running] = field(default_factory=dict)
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @property
    def waiting(self) -> int:
        """Submissions that have not begun."""
        return max(self.total - self.done - len(self.running), 0)

    def slow(self, now: float) -> list[tuple[str, float]]:
        """Who takes far longer than those that are done, the slowest first, with the seconds so far."""
        if len(self.seconds) < 3:
            return []
        limit = max(SLOW * median(self.seconds), 1.0)
        late = [(student, now - r.since) for student, r in self.running.items() if now - r.since > limit]
        return sorted(late, key=lambda pair: -pair[1])

    def left_seconds(self, now: float) -> float | None:
        """The time still needed at the pace since the first began; None before one is done."""
        if not self.done or self.first is None:
            return None
        return (now - self.first) / self.done * (self.total - self.done)


class Display:
    """Follows a run and shows it in the way that fits where it is shown."""

    def __init__(
        self, shown_on: Console, *, json_lines: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = shown_on
        self._json = json_lines
        self._clock = clock
        self._live: Live | None = None
        self.state = State()

    def plan(self, work: Remainder) -> None:
        """Say what is left to do."""
        unchanged, left = len(work.unchanged), len(work.left)
        self.state.total = left
        begun = sum(bool(work.finished.get((s.student_id, s.digest))) for s in work.left)
        if self._json:
            self._say("plan", left=left, unchanged=unchanged, continued=begun)
            return
        if not (unchanged or left):
            self._print("Nobody is chosen: nothing is graded.")
        if unchanged:
            self._print(f"{unchanged} of {unchanged + left} already graded, unchanged; --force grades them again.")
        if begun:
            self._print(f"{begun} of {left} were begun before: only what is not finished of them is graded.")

    @contextmanager
    def shown(self) -> Iterator[Display]:
        """The display, while its block runs."""
        self.state.started = self._clock()
        if self._json or not self._console.is_terminal:
            yield self
            return
        with Live(console=self._console, refresh_per_second=4, transient=True, get_renderable=self._renderable) as live:
            self._live = live
            yield self
        self._live = None

    def watch(self, event: Event) -> None:
        """Take in an event, and tell of it."""
        student, now = event.student_id, self._clock()
        if event.kind == "began":
            self.state.first = self.state.first or now
            self.state.running[student] = Running(now)
        elif event.kind in ("checked", "judged") and student in self.state.running:
            self.state.running[student].what = event.text
            if event.verdict:
                self.state.verdicts[event.verdict] += 1
        elif event.kind == "finished":
            self._finished(student, now)
        self._tell(event, now)

    def take(self, card: Scorecard) -> None:
        """A scorecard that is complete and kept."""
        if self._json:
            counts = Counter(c.verdict.value for c in card.checks)
            which = {"attempt": card.attempt} if card.attempt else {}
            self._say(
                "scorecard",
                student=card.student_id,
                **which,
                points=card.points,
                grade=card.grade,
                max_points=card.max_points,
                pending_points=card.pending_points,
                verdicts=dict(counts),
            )

    def end(self, book: Gradebook, handed_in: Set[str], page: Path) -> None:
        """The class as it is now."""
        if self._json:
            self._say("end", page=str(page), students=len(book.scorecards), internal=book.internal)
            return
        self._console.print(console.class_summary([c for c in book.scorecards if c.student_id in handed_in]))
        if others := [plain(c.student_id) for c in book.scorecards if c.student_id not in handed_in]:
            few = ", ".join(others[:OTHERS_NAMED]) + (", ..." if len(others) > OTHERS_NAMED else "")
            stay = f"{len(others)} more, graded before and not handed in now, stay in the gradebook: {few}"
            self._print(f"{stay} (`grader withdraw` takes one out).")
        self._print(f"Class page: {page}")

    def _finished(self, student: str, now: float) -> None:
        self.state.done += 1
        begun = self.state.running.pop(student, None)
        if begun:
            self.state.seconds.append(now - begun.since)

    def _tell(self, event: Event, now: float) -> None:
        if self._json:
            self._say(event.kind, **self._facts(event, now))
        elif event.kind in ("ready", "note"):
            self._print(event.text, style="dim")
        elif event.kind == "finished":
            self._print(f"{plain(event.student_id)}: {event.text}{self._progress(now)}")

    def _progress(self, now: float) -> str:
        """Where nobody sees the bar, each line says how far it is."""
        if self._console.is_terminal:
            return ""
        left = self.state.left_seconds(now)
        soon = f", about {_span(left)} left" if left and left >= 1 else ""
        return f"  [{self.state.done} of {self.state.total}{soon}]"

    def _facts(self, event: Event, now: float) -> dict[str, object]:
        facts: dict[str, object] = {"student": event.student_id} if event.student_id else {}
        if event.text:
            facts[{"checked": "check", "judged": "question"}.get(event.kind, "text")] = event.text
        if event.verdict:
            facts["verdict"] = event.verdict.value
        if event.kind == "finished":
            left = self.state.left_seconds(now)
            facts |= {"done": self.state.done, "running": len(self.state.running), "waiting": self.state.waiting}
            facts |= {"seconds": round(self.state.seconds[-1], 3) if self.state.seconds else 0.0}
            facts |= {"left_seconds": None if left is None else round(left, 1)}
        return facts

    def _say(self, event: str, **facts: object) -> None:
        line = json.dumps({"event": event, **facts}, ensure_ascii=False)
        self._console.file.write(line + "\n")
        self._console.file.flush()

    def _print(self, line: str, style: str = "") -> None:
        self._console.print(Text(line, style=style), soft_wrap=True)

    # ---------------------------------------------------------------------------------------------------- on a terminal

    def _renderable(self) -> Group:
        """The bar, counts of the verdicts, and who is in work."""
        state, now = self.state, self._clock()
        left = state.left_seconds(now)
        soon = f"about {_span(left)} left" if left is not None else "starting" if not state.running else "measuring"
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            Text(f"Grading {state.done} of {state.total}"),
            ProgressBar(total=max(state.total, 1), completed=state.done, width=30),
            Text(f"{len(state.running)} running, {state.waiting} waiting; {soon}", style="dim"),
        )
        counts = Text("  ").join(Text(f"{n} ").append(console.verdict(v)) for v, n in state.verdicts.most_common())
        return Group(bar, *([counts] if state.verdicts else []), *self._in_work(now))

    def _in_work(self, now: float) -> Iterator[Text]:
        slow = dict(self.state.slow(now))
        shown = sorted(self.state.running.items(), key=lambda pair: pair[1].since)[:RUNNING_SHOWN]
        for student, running in shown:
            style = "yellow" if student in slow else "dim"
            what = plain(running.what) or "is read"
            yield Text(f"  {plain(student)}  {_span(now - running.since)}  {what}", style=style)


def _span(seconds: float) -> str:
    """A time as people say it."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole < 600 else f"{round(whole / 60)} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
