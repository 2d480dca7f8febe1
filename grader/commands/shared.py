"""What the commands share: exit codes, the two consoles, and options that mean the same everywhere.

0 all graded · 1 some INTERNAL · 2 expected and explained · 3 unexpected, with something to paste · 130 interrupted
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from grader.engines import Name
from grader.errors import UsageError
from grader.model import Gradebook, Scorecard
from grader.plan import Device, Plan, Speed
from grader.store import Event

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
JobsOption = Annotated[
    int, typer.Option("--jobs", min=1, help="Submissions and trainings at a time.", show_default="cores")
]
OutputOption = Annotated[
    Path, typer.Option("-o", "--output", help="The folder of the grades: store, pages, scorecards, gradebook.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Grade again what has not changed.")]
JsonLinesOption = Annotated[
    bool, typer.Option("--json-lines", help="For programs: what happens, one JSON object a line.")
]
EngineOption = Annotated[Name, typer.Option("--engine", help="Where judges run: here, on a Ray cluster, in Slurm.")]
AddressOption = Annotated[
    str | None, typer.Option("--address", help="host:port of the Ray cluster; `local`: Slurm's jobs on this machine.")
]
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


def tell_lapsed(events: Iterable[Event]) -> None:
    """Points that a person gave and that do not count any more, since the question gives fewer by now."""
    for e in events:
        given = f"the {e.points:g} points that {e.who} gave ({e.kind}, {e.at[:10]})"
        again = f"decide again with `grader {e.kind}`, or take them back with its --withdraw"
        complain(f"{e.student}, {e.question}: {given} are more than there are by now, and do not count: {again}.")


def tell_doubles(book: Gradebook) -> None:
    """Who is in several groups, or in one and hands in alone: nothing says which of the scorecards is to count."""
    cards: dict[str, list[str]] = {}
    for card in book.scorecards:
        for person in card.people:
            cards.setdefault(person, []).append(card.student_id)
    for person, ids in cards.items():
        if len(ids) > 1:
            rows = f"{person} has {len(ids)} scorecards ({', '.join(ids)}), each with a row in gradebook.csv"
            complain(f"{rows}: take out what is not to count with `grader withdraw ID`.")


def known_question(where: str, ids: list[str], wanted: str) -> None:
    """Refuse a question that is not there."""
    if wanted not in ids:
        raise UsageError(f"{where} has no question {wanted}: it has {', '.join(ids)}.")


def phrase_folders(plan: Plan) -> tuple[Path, ...]:
    """Where the phrases of the assignment and of its hidden checks are, wherever these come from."""
    return tuple(Path(folder) for folder in (plan.assignment, plan.reference) if folder)


def some_internal(cards: list[Scorecard]) -> bool:
    """Whether the harness failed somewhere."""
    return any(c.verdict == "INTERNAL" for card in cards for c in card.checks)
