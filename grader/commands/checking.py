"""Checking one's own work before the deadline."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from grader import assignment, batch, intake, report
from grader.assignment import Assignment, Question
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
from grader.engines.job import Engine
from grader.engines.local import Local
from grader.errors import UsageError
from grader.model import Scorecard, Submission, Verdict
from grader.plan import Plan
from grader.report import phrases
from grader.scratch import Scratch
from grader.terminal import changes, checklist

CheckLanguageOption = Annotated[
    Literal["en", "zh-TW"] | None, typer.Option("--lang", help="Language of messages.", show_default="the kit's")
]


def check(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Your submission: a .py or an .ipynb, or a folder of your files.")
    ],
    assignment_name: AssignmentOption = None,
    questions: Annotated[
        list[str] | None,
        typer.Option("--question", metavar="ID", help="Check this question only, such as q1; may be repeated."),
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
    """Check your own work by the public checks. No answer is needed, and none is there to be seen."""
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

    shown = Shown(html, lang or spec.language)
    if not watched:
        return _check(plan, spec, _mine(file), shown, None)
    with Scratch("watch") as scratch, Local(lasting=True) as kept:
        going_on = replace(plan, scratch=str(scratch))
        seen: list[Scorecard] = []
        return watch(file, lambda: _check(going_on, spec, _mine(file), shown, kept, seen))


def _assignment(name: str | None, file: Path) -> Path:
    """As named; else the kit in which the file lies; else the one that ships."""
    beside = file if file.is_dir() else file.parent
    return beside if name is None and (beside / "assignment.toml").is_file() else assignment.find(name)


def _mine(file: Path) -> Submission:
    """The one submission that is to be checked. Raises `UsageError`."""
    found = intake.collect(file)
    if len(found) > 1 and file.is_dir() and _import_each_other(found):
        found = [intake.whole(file, file.resolve().name)]
    if len(found) != 1:
        raise UsageError(f"{file} holds {len(found)} submissions; give your own file or folder, or use `grader grade`.")
    return found[0]


def _import_each_other(found: list[Submission]) -> bool:
    """Whether what seems to be several students' is one's own: `main.py` with `from net import LeNet`, and `net.py`."""
    for one in found:
        others = "|".join(re.escape(other.student_id) for other in found if other is not one)
        imports = re.compile(rf"^[ \t]*(?:from|import)[ \t]+\.*(?:{others})\b".encode(), re.MULTILINE)
        if any(imports.search(f.data) for f in one.files):
            return True
    return False


@dataclass(frozen=True)
class Shown:
    """How a result is shown: also as a page in the folder `html`, in a language."""

    html: Path | None
    lang: str


def _check(
    plan: Plan,
    spec: Assignment,
    submission: Submission,
    shown: Shown,
    engine: Engine | None,
    seen: list[Scorecard] | None = None,
) -> int:
    """Check and show it, and what is new beside the last that was `seen`, which it joins.

    Raises `UsageError` for what cannot be checked at all, before anything is started.
    """
    folders = phrase_folders(plan)
    if submission.problem:
        raise UsageError(phrases.translate(submission.problem, shown.lang, folders=folders))
    cards: list[Scorecard] = []
    with out.status("Starting: this takes some seconds ...") as status:
        follow = _follower(assignment.asked(spec, plan.questions), status.update)
        batch.grade(plan, spec, [submission], follow, cards.append, engine=engine)
    out.print(checklist.shown(cards[0], spec, shown.lang, folders))
    if shown.html:
        page = report.write_scorecard(cards[0], shown.html, spec.title, shown.lang, folders)
        out.print(f"Page: {page}", soft_wrap=True)
    if seen:
        out.print(changes.since(seen[-1], cards[0], spec, shown.lang, folders))
    if seen is not None:
        seen[:] = cards
    passed = all(c.verdict == "PASSED" for c in cards[0].checks)
    return SOME_INTERNAL if some_internal(cards) else OK if passed else EXPLAINED


def _follower(asked: Sequence[Question], say: Callable[[str], None]) -> Callable[[Event], None]:
    """Says which question comes next, and how many checks passed so far; after the last, networks may be trained."""
    left = {check: q.title for q in asked for check in q.public_checks}
    verdicts: list[Verdict | None] = []

    def follow(event: Event) -> None:
        if event.kind == "checked":
            verdicts.append(event.verdict)
            left.pop(event.text, None)
            doing = f"Checking {next(iter(left.values()))} ..." if left else "Finishing ..."
            say(f"{doing} ({verdicts.count(Verdict.PASSED)} of {len(verdicts)} checks passed so far)")

    return follow
