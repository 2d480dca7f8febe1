"""Learning-management systems: grades out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grader.commands.shared import OK, complain, out
from grader.errors import UsageError
from grader.lms import grades, outgoing
from grader.lms.platform import Choices
from grader.lms.sheet import Filled

SHOWN = 5  # names in a message


def export(
    platform: Annotated[str, typer.Argument(help="canvas, moodle, gradescope, nbgrader, otter or csv.")],
    graded: Annotated[Path, typer.Argument(metavar="OUT", help="The folder that `grader grade -o` wrote.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write.")],
    sheet: Annotated[Path | None, typer.Option("--sheet", help="The platform's own sheet, as it exported it.")] = None,
    column: Annotated[
        str | None, typer.Option("--column", help="The heading of the grades, or Canvas' number of the assignment.")
    ] = None,
    feedback: Annotated[
        Path | None, typer.Option("--feedback", help="Moodle: also write the zip of feedback pages here.")
    ] = None,
    include_pending: Annotated[
        bool, typer.Option("--include-pending", help="Also those who wait for a mark, with the points so far.")
    ] = False,
) -> int:
    """Write the grades in a platform's form: its own sheet with one column filled, or a table."""
    if feedback and platform != "moodle":
        raise UsageError("--feedback makes Moodle's zip of feedback files: use it with moodle.")
    book = grades.gradebook(graded)
    choices = Choices(column, include_pending)
    filled = outgoing.export(platform, book, sheet, choices)
    _write(output, filled.data)
    out.print(f"{output}: grades written: {len(filled.written)}", soft_wrap=True)
    if feedback and sheet:
        pages, count = outgoing.feedback(outgoing.read(sheet), book, choices)
        _write(feedback, pages)
        out.print(f"{feedback}: feedback pages written: {count}", soft_wrap=True)
    _tell(filled)
    return OK


def _write(path: Path, data: bytes) -> None:
    """Write a file at once or not at all."""
    unfinished = path.with_name(f".{path.name}.part")
    try:
        unfinished.write_bytes(data)
        unfinished.replace(path)
    except OSError as e:
        raise UsageError(f"{path} cannot be written ({e.strerror}): give another file with -o.") from e


def _tell(filled: Filled) -> None:
    """What was not written, and why."""
    if filled.pending:
        complain(
            f"{len(filled.pending)} left empty, because points are pending ({_some(filled.pending)}): "
            f"mark their explanations, or add --include-pending."
        )
    if filled.unmatched:
        complain(f"{len(filled.unmatched)} have no row in the sheet: {_some(filled.unmatched)}.")
    for remark in filled.remarks:
        complain(remark)


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
