"""What the commands share: exit codes, the two consoles, and options that mean the same everywhere.

0 all graded · 1 some INTERNAL · 2 expected and explained · 3 unexpected, with something to paste · 130 interrupted
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from grader import batch, console, report
from grader.assignment import Assignment
from grader.errors import UsageError
from grader.model import Scorecard, Submission
from grader.plan import Device, Plan, Speed

OK, SOME_INTERNAL, EXPLAINED, UNEXPECTED, INTERRUPTED = 0, 1, 2, 3, 130

out = Console(highlight=False, markup=False)
err = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

AssignmentOption = Annotated[
    str | None, typer.Option("-a", "--assignment", help="Name of an assignment that ships, or its folder.")
]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="A file of `grader data prepare`; without it, drawn stand-in images.")
]
RecipeOption = Annotated[Speed, typer.Option("--recipe", help="How long networks are trained.")]
DeviceOption = Annotated[Device, typer.Option("--device", help="Where networks are trained.")]
RequireOption = Annotated[
    int, typer.Option("--require-isolation", min=0, max=4, help="Grade nothing below this isolation level.")
]
TrustOption = Annotated[
    bool, typer.Option("--trust-submissions", help="Run hidden checks even at level 1, which is no sandbox.")
]
LanguageOption = Annotated[Literal["en", "zh-TW"], typer.Option("--lang", help="Language of the pages and messages.")]
JobsOption = Annotated[int, typer.Option("--jobs", min=1, help="Trainings at a time.", show_default="processors")]
PROCESSORS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def complain(text: str) -> None:
    """One line on stderr, however long: it can be copied."""
    err.print(f"grader: {text}", soft_wrap=True)


def make_folder(output: Path) -> None:
    """Make the folder for the results, before hours of work go into them."""
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise UsageError(f"{output} cannot be a folder for the results ({e.strerror}): give another with -o.") from e


def run(
    plan: Plan, spec: Assignment, handed_in: list[Submission], output: Path | None, lang: str = "en"
) -> list[Scorecard]:
    """Grade with progress; each scorecard is on disk the moment it is complete."""
    cards: dict[str, Scorecard] = {}
    display = console.Display(out, len(handed_in))

    def take(card: Scorecard) -> None:
        cards[card.student_id] = card
        if output:
            report.write_scorecard(card, output, spec.title, lang, phrase_folders(plan))

    with display.shown():
        batch.grade(plan, spec, handed_in, display.watch, take)
    return [cards[s.student_id] for s in handed_in]


def phrase_folders(plan: Plan) -> tuple[Path, ...]:
    """Where the phrases of the assignment and of its hidden checks are, wherever these come from."""
    return tuple(Path(folder) for folder in (plan.assignment, plan.reference) if folder)


def some_internal(cards: list[Scorecard]) -> bool:
    """Whether the harness failed somewhere."""
    return any(c.verdict == "INTERNAL" for card in cards for c in card.checks)
