"""Checking one's own work before the deadline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from grader import assignment, batch, intake, report
from grader.assignment import Assignment
from grader.batch import Event
from grader.commands.shared import (
    EXPLAINED,
    OK,
    SOME_INTERNAL,
    AssignmentOption,
    DataOption,
    make_folder,
    out,
    phrase_folders,
    some_internal,
)
from grader.commands.watching import watch
from grader.errors import UsageError
from grader.model import Scorecard, Submission
from grader.plan import Plan
from grader.terminal import checklist

CheckLanguageOption = Annotated[
    Literal["en", "zh-TW"] | None, typer.Option("--lang", help="Language of messages.", show_default="the kit's")
]


def check(
    file: Annotated[Path, typer.Argument(help="Your submission: a .py or an .ipynb, or a folder of your files.")],
    assignment_name: AssignmentOption = None,
    questions: Annotated[
        list[str] | None,
        typer.Option("--question", help="Check this question only, such as q1; more than once for more."),
    ] = None,
    watched: Annotated[bool, typer.Option("--watch", help="Check again after each save, until Ctrl-C.")] = False,
    train: Annotated[
        bool, typer.Option("--train", help="Also train your networks for a moment: a look, no grade.")
    ] = False,
    data: DataOption = None,
    html: Annotated[Path | None, typer.Option("--html", help="Also write the page, into this folder.")] = None,
    lang: CheckLanguageOption = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="No fork: a new interpreter for each question.")] = False,
) -> int:
    """Check your own work: the public checks only, and no answer is needed."""
    folder = _assignment(assignment_name, file)
    spec = assignment.load(folder)
    asked = assignment.asked(spec, questions or [])
    if html:
        make_folder(html)
    if data and not data.is_file():
        raise UsageError(f"there is no data file {data}: leave --data out to train on drawn images.")
    plan = Plan(
        assignment=str(folder.resolve()),
        reference=None,
        data=str(data.resolve()) if data else None,
        device="cpu",
        speed="quick",
        jobs=1,
        cache=None,
        fresh=fresh,
        train=train or data is not None,
        questions=tuple(q.id for q in asked),
    )
    _mine(file)  # what is wrong with the path is said once, before anything is watched

    def once() -> int:
        return _check(plan, spec, _mine(file), html, lang or spec.language)

    return watch(file, once) if watched else once()


def _assignment(name: str | None, file: Path) -> Path:
    """As named; else the kit in which the file lies; else the one that ships."""
    beside = file if file.is_dir() else file.parent
    return beside if name is None and (beside / "assignment.toml").is_file() else assignment.find(name)


def _mine(file: Path) -> Submission:
    found = intake.collect(file)
    if len(found) != 1:
        raise UsageError(f"{file} holds {len(found)} submissions; give your own file or folder, or use `grader grade`.")
    return found[0]


def _check(plan: Plan, spec: Assignment, submission: Submission, html: Path | None, lang: str) -> int:
    cards: list[Scorecard] = []
    with out.status("Starting: this takes some seconds ...") as status:
        batch.grade(plan, spec, [submission], _follower(spec, status.update), cards.append)
    folders = phrase_folders(plan)
    out.print(checklist.shown(cards[0], spec, lang, folders))
    if html:
        page = report.write_scorecard(cards[0], html, spec.title, lang, folders)
        out.print(f"Page: {page}", soft_wrap=True)
    passed = all(c.verdict == "PASSED" for c in cards[0].checks)
    return SOME_INTERNAL if some_internal(cards) else OK if passed else EXPLAINED


def _follower(spec: Assignment, say: Callable[[str], None]) -> Callable[[Event], None]:
    """Says which question is being checked; after the last check, networks are trained if anything is."""
    of_check = {check: q.title for q in spec.questions for check in q.checks}

    def follow(event: Event) -> None:
        if event.kind == "checked":
            say(f"Checking {of_check.get(event.text, '')} ...")

    return follow
