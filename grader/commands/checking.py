"""Checking one's own work before the deadline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grader import assignment, console, intake, report
from grader.commands.shared import (
    EXPLAINED,
    OK,
    SOME_INTERNAL,
    AssignmentOption,
    LanguageOption,
    make_folder,
    out,
    run,
    some_internal,
)
from grader.errors import UsageError
from grader.plan import Plan


def check(
    file: Annotated[Path, typer.Argument(help="Your submission: a .py or an .ipynb, or a folder of your files.")],
    assignment_name: AssignmentOption = None,
    html: Annotated[Path | None, typer.Option("--html", help="Also write the page, into this folder.")] = None,
    lang: LanguageOption = "en",
    fresh: Annotated[bool, typer.Option("--fresh", help="No fork: a new interpreter for each question.")] = False,
) -> int:
    """Check your own work: the public checks only, and no answer is needed."""
    folder = assignment.find(assignment_name)
    spec = assignment.load(folder)
    if html:
        make_folder(html)
    mine = intake.collect(file)
    if len(mine) != 1:
        raise UsageError(f"{file} holds {len(mine)} submissions; give your own file or folder, or use `grader grade`.")
    plan = Plan(str(folder), None, None, "cpu", "quick", 1, None, fresh=fresh, train=False)
    cards = run(plan, spec, mine, None)
    out.print(console.student_summary(cards[0]))
    for note in cards[0].notes:
        out.print(note, style="dim", soft_wrap=True)
    if html:
        out.print(f"Page: {report.write_scorecard(cards[0], html, title=spec.title, lang=lang)}", soft_wrap=True)
    passed = all(c.verdict == "PASSED" for c in cards[0].checks)
    return SOME_INTERNAL if some_internal(cards) else OK if passed else EXPLAINED
