"""The kit that students get."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from grader import assignment, handout
from grader.commands.shared import OK, AssignmentOption, out


def hand_out(
    assignment_name: AssignmentOption = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="The zip to write.")] = Path("kit.zip"),
    lang: Annotated[
        Literal["en", "zh-TW"] | None,
        typer.Option("--lang", help="Language of the checks' messages.", show_default="the assignment's"),
    ] = None,
) -> int:
    """Write the kit that students get. Starter, README and public checks are in it, nothing of the reference."""
    spec = assignment.load(assignment.find(assignment_name))
    spec = spec.model_copy(update={"language": lang or spec.language})
    names = handout.write(spec, output)
    hidden = sum(q.hidden_count for q in spec.questions)
    public = sum(len(q.public_checks) for q in spec.questions)
    for name in names:
        out.print(f"  {name}", soft_wrap=True)
    out.print(
        f"{output}: {len(names)} files; public checks: {public}; hidden checks: {hidden}, counted in "
        f"{spec.id}/assignment.toml and not named.",
        soft_wrap=True,
    )
    return OK
