"""This machine: how safe and how able it is."""

from __future__ import annotations

from typing import Annotated

import typer

from grader import doctor
from grader.commands.shared import EXPLAINED, OK, DataOption, out
from grader.terminal import console


def examine(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    data: DataOption = None,
    attacked: Annotated[bool, typer.Option("--attack", help="Run the attack suite, each case for real.")] = False,
) -> int:
    """Say how safe grading is on this machine. Every wall is tried; torch, device, data and disk are looked at."""
    if attacked:
        return _attack()
    examined = doctor.examine(data)
    if as_json:
        typer.echo(examined.to_json())
    else:
        out.print(doctor.table(examined))
    return EXPLAINED if examined.status is doctor.Status.FAIL else OK


def _attack() -> int:
    """Attack a judge on this machine; nothing outside a temporary folder is touched."""
    from grader.doctor import attack  # torch comes with it

    results = attack.attack()
    out.print(console.attacks(results))
    return EXPLAINED if any(r.problems for r in results) else OK
