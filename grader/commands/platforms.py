"""Learning-management systems: grades out, autograders out, and what runs there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from grader import assignment, batch, text
from grader.assignment import Assignment
from grader.batch import Event, Journal
from grader.commands.grading import reference_folder
from grader.commands.shared import OK, SOME_INTERNAL, AssignmentOption, complain, out
from grader.errors import UsageError
from grader.lms import autograder, grades, outgoing, packages
from grader.lms.autograder import Keep
from grader.lms.autograders import AUTOGRADERS
from grader.lms.canvas_comments import Canvas, Change, Where, token
from grader.lms.platform import Choices
from grader.lms.sheet import Filled
from grader.model import Scorecard, Submission
from grader.plan import Plan

SHOWN = 5  # names in a message
KEPT_IN = "a token in CANVAS_API_TOKEN or, under the name of that address, in the keyring"
ALIASES = {"github": "classroom50"}  # its package holds the workflow


def export(
    platform: Annotated[
        str, typer.Argument(metavar="PLATFORM", help="canvas, moodle, gradescope, nbgrader, otter or csv.")
    ],
    graded: Annotated[Path, typer.Argument(metavar="OUT", help="The folder that `grader grade -o` wrote.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The file to write.")] = None,
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
    upload: Annotated[
        bool, typer.Option("--upload", help="Canvas: send grades and pages to it, or show that.")
    ] = False,
    url: Annotated[str, typer.Option("--url", help="The address of your Canvas.")] = "",
    course: Annotated[str, typer.Option("--course", help="The number of the course in Canvas.")] = "",
    assignment_number: Annotated[
        str, typer.Option("--assignment", help="The number of the assignment in Canvas.")
    ] = "",
    with_pages: Annotated[
        bool, typer.Option("--pages/--no-pages", help="With the grades also pages, as comments.")
    ] = True,
    yes: Annotated[bool, typer.Option("--yes", help="Send what is otherwise only shown.")] = False,
) -> int:
    """Write the grades in a platform's form. Its own sheet with one column filled, or a table."""
    if feedback and platform != "moodle":
        raise UsageError("--feedback makes Moodle's zip of feedback files: use it with moodle.")
    outgoing.able(platform)
    if not upload and output is None:
        raise UsageError("say with -o which file the grades are to be written to, such as -o filled.csv.")
    book = grades.gradebook(graded)
    if upload:
        canvas = _canvas(platform, Where(url, course, assignment_number))
        changes = canvas.changes(book, include_pending=include_pending, pages=with_pages)
        return _upload(canvas, changes, book.title, yes=yes)
    assert output is not None  # noqa: S101  # asked for above
    choices = Choices(column, include_pending)
    filled = outgoing.export(platform, book, sheet, choices)
    _write(output, filled.data)
    out.print(f"{output}: grades written: {len(filled.written)}", soft_wrap=True)
    if feedback and sheet:
        pages, count = outgoing.feedback(outgoing.read(sheet), book, choices)
        _write(feedback, pages)
        out.print(f"{feedback}: feedback pages written: {count}", soft_wrap=True)
    _tell(filled, "left alone" if sheet else "left empty")
    return OK


def _write(path: Path, data: bytes) -> None:
    """Write a file at once or not at all."""
    unfinished = path.with_name(f".{path.name}.part")
    try:
        unfinished.write_bytes(data)
        unfinished.replace(path)
    except OSError as e:
        raise UsageError(
            f"{path} cannot be written ({e.strerror}): name another file, in a folder that is there."
        ) from e


def _tell(filled: Filled, left: str) -> None:
    """What was not written, and why."""
    if filled.pending:
        complain(
            f"{len(filled.pending)} {left}, because points are pending ({_some(filled.pending)}): "
            f"mark their explanations, or add --include-pending."
        )
    if filled.unmatched:
        complain(f"{len(filled.unmatched)} have no row in the sheet: {_some(filled.unmatched)}.")
    for remark in filled.remarks:
        complain(remark)


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _table(changes: list[Change]) -> Table:
    """What would be sent, a line for each student."""
    table = Table("student", "in Canvas", "points", "what")
    for change in changes:
        table.add_row(text.plain(change.card.student_id), change.before, change.points, change.action)
    return table


def _canvas(platform: str, where: Where) -> Canvas:
    """The assignment there. Raises `UsageError`."""
    if where.url and not where.url.startswith(("https://", "http://")):
        raise UsageError(f"--url {where.url} is no address: it begins with https://, as your browser shows it.")
    if platform != "canvas":
        raise UsageError(f"--upload is for canvas alone: export {platform} to a file, with -o.")
    secret = token(where.url)
    needed = {"--url": where.url, "--course": where.course, "--assignment": where.assignment, KEPT_IN: secret}
    if lacking := [name for name, value in needed.items() if not value]:
        raise UsageError(f"--upload also needs {', '.join(lacking)}.")
    assert secret  # noqa: S101  # it would be lacking
    return Canvas(where, secret)


def _upload(canvas: Canvas, changes: list[Change], title: str, *, yes: bool) -> int:
    """Show what would be sent to Canvas, and send it when told to."""
    out.print(_table(changes))
    wanted = sum(c.wanted for c in changes)
    if not wanted:
        out.print("There is nothing to send.")
        return OK
    if not yes:
        out.print(f"Nothing was sent. To send {wanted}, add --yes.")
        return OK
    faults = [(change, why) for change, why in canvas.send(changes, title) if why]
    for change, why in faults:
        complain(f"{change.card.student_id}: {why}")
    out.print(f"Sent: {wanted - len(faults)} of {wanted}.{' Run it again for the others.' if faults else ''}")
    return SOME_INTERNAL if faults else OK


def package(
    platform: Annotated[str, typer.Argument(metavar="PLATFORM", help=f"{', '.join(AUTOGRADERS)}.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The zip to write.")],
    assignment_name: AssignmentOption = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", help="Folder of the solutions and hidden checks.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Train there too, on this file; without it, that is graded later.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--timeout", help="The platform's limit in seconds, if it was changed there.")
    ] = None,
    pip_options: Annotated[
        str, typer.Option("--pip-options", help="For pip install there, such as the index of CPU builds of PyTorch.")
    ] = "",
) -> int:
    """Make an autograder to upload. It holds the reference: give it to the platform and to nobody else."""
    chosen = _autograder(platform)
    spec = assignment.load(assignment.find(assignment_name))
    _look_at(data)
    solutions = reference_folder(reference, spec)
    if not (solutions / "checks").is_dir():
        raise UsageError(
            f"{solutions} holds no folder checks: give the reference of {spec.id} itself with --reference."
        )
    made = packages.build(chosen, spec, solutions, data, seconds, pip_options)
    _write(output, made)
    out.print(f"{output}: {spec.title} for {chosen.title}, {len(made) / 1e6:.1f} MB. {chosen.advice}", soft_wrap=True)
    if not chosen.public:
        out.print("It holds solutions and hidden checks: upload it, and give it to nobody.", soft_wrap=True)
    return OK


def _look_at(data: Path | None) -> None:
    """Raises `UsageError` or `DataError` when it is no file of images: at the platform every submission would fail."""
    if data and not data.is_file():
        raise UsageError(f"there is no data file {data}: make one with `grader data prepare`, or leave --data out.")
    if data:
        from grader import data as datasets

        datasets.load(data)


def run_there(
    platform: Annotated[str, typer.Argument(help="The platform that this runs at.")],
    root: Annotated[Path, typer.Option("--root", help="The platform's own folder.")],
    kit: Annotated[Path, typer.Option("--package", help="The folder of the unpacked autograder.")],
) -> int:
    """Run as an autograder at a platform; the packages of `grader package` call this."""
    state = autograder.run(_autograder(platform), root, kit, grade)
    for why in dict.fromkeys(state.faults):
        complain(why)
    return OK if state.finished else SOME_INTERNAL


def train_there(
    kit: Annotated[Path, typer.Option("--package", help="The folder of the unpacked autograder.")],
) -> int:
    """Train the reference once, while a platform makes its image; the packages of `grader package` call this."""
    from grader.judge import ahead

    if why := autograder.ahead(kit, ahead.train):
        complain(why)
        return SOME_INTERNAL
    out.print("The reference is trained: no grading on this kind of processor trains it again.")
    return OK


def _autograder(platform: str) -> autograder.Autograder:
    platform = ALIASES.get(platform, platform)
    if platform not in AUTOGRADERS:
        raise UsageError(f"there is no autograder for {platform!r}: wanted one of {', '.join(AUTOGRADERS)}.")
    return AUTOGRADERS[platform]


def grade(plan: Plan, spec: Assignment, submission: Submission, keep: Keep) -> Scorecard:
    """Grade one submission; `keep` gets each question the moment it is finished."""
    cards: list[Scorecard] = []
    journal = Journal(keep=lambda _submission, judged: keep(judged))
    batch.grade(plan, spec, [submission], _ignore, cards.append, journal)
    return cards[0]


def _ignore(_event: Event) -> None:
    """Nobody looks at a terminal there."""
