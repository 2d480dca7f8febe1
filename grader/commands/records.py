"""What the store remembers, and what people add to it: runs, a student's history, overrides and marks, the pages."""

from __future__ import annotations

import getpass
import math
import webbrowser
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from grader import pages
from grader import report as report_pages
from grader.commands.shared import OK, OutputOption, known_question, out, tell_doubles, tell_lapsed
from grader.errors import UsageError
from grader.model import Gradebook, Mark, QuestionResult, Scorecard
from grader.report import anonymous
from grader.store import NAME, Kept, Kind, Store, people
from grader.terminal import remembered

CODED, KEY = "anonymous", "anonymous-key.json"  # the pages under codes, and whose is which
FolderArgument = Annotated[Path, typer.Argument(metavar="OUT", help="The folder of the grades.")]
StudentArgument = Annotated[str, typer.Argument(metavar="STUDENT", help="The student's id, as in the gradebook.")]
QuestionArgument = Annotated[str, typer.Argument(metavar="QUESTION", help="The question's id, such as q1_conv2d.")]
PointsArgument = Annotated[float | None, typer.Argument(metavar="POINTS", min=0, help="From 0 to what it is worth.")]
WhoOption = Annotated[str | None, typer.Option("--who", help="Who decides.", show_default="your user name")]
WithdrawOption = Annotated[bool, typer.Option("--withdraw", help="Take it back; the computed points count again.")]


def runs(output: FolderArgument = Path("reports/out")) -> int:
    """List the gradings in a folder. When, of what, with which versions, and how they ended."""
    with Store(output) as store:
        out.print(remembered.runs(store.runs()))
    return OK


def show(student: StudentArgument, output: OutputOption = Path("reports/out")) -> int:
    """Show a student's scorecard. How it came about, and what people decided, is below it."""
    with Store(output) as store:
        kept = _current(store, student)
        out.print(remembered.scorecard(kept))
        key = kept.card.assignment, kept.card.student_id
        out.print(remembered.history(store.history(*key)))
        events, withdrawals = store.events(*key), store.withdrawals(*key)
        if events or withdrawals:
            out.print(remembered.decisions(events, withdrawals, kept.graded, store.lapsed(kept.card.assignment)))
    return OK


def report(
    output: FolderArgument = Path("reports/out"),
    lang: Annotated[
        Literal["en", "zh-TW"] | None, typer.Option("--lang", help="Language of the pages.", show_default="as before")
    ] = None,
    coded: Annotated[
        bool, typer.Option("--anonymous", help=f"Codes instead of names, into OUT/{CODED}; the key stays beside it.")
    ] = False,
    open_page: Annotated[bool, typer.Option("--open", help="Open the class's page in the browser.")] = False,
) -> int:
    """Write the pages and the gradebook again from what is stored. Nothing is graded."""
    with _writable(output) as store:
        look = pages.look(store, lang or pages.language(store))
        book = pages.gradebook(store)
        page = _coded(store, look) if coded else pages.write(store, book, look)
        tell_lapsed(store.lapsed(book.assignment))
        tell_doubles(book)
    out.print(f"Class page: {page}", soft_wrap=True)
    if open_page:
        webbrowser.open(page.resolve().as_uri())
    return OK


def _coded(store: Store, look: pages.Look) -> Path:
    """The class under codes; the same people keep theirs from time to time."""
    book, key_file = pages.gradebook(store), store.folder / KEY
    key = anonymous.draw((card.student_id for card in book.scorecards), anonymous.read(key_file))
    with pages.writing(store.folder):
        anonymous.write(key, key_file)
        hidden = anonymous.anonymous(book, key)
        page = report_pages.write(hidden, store.folder / CODED, look.lang, look.folders)
        names = {report_pages.file_name(card.student_id) for card in hidden.scorecards}
        for old in (p for kind in ("students", "scorecards") for p in (page.parent / kind).iterdir()):
            if old.stem not in names:  # of somebody whom the gradebook has no more
                old.unlink()
    out.print(f"Key: {key_file} (with it the codes are names again: keep it to yourself)", soft_wrap=True)
    return page


def override(
    student: StudentArgument,
    question: QuestionArgument,
    points: PointsArgument = None,
    why: Annotated[str, typer.Option("--why", help="The reason; the student reads it.")] = "",
    who: WhoOption = None,
    withdraw: WithdrawOption = False,
    output: OutputOption = Path("reports/out"),
) -> int:
    """Give a question these points, whatever its checks say. They hold for what was handed in, not for a later one."""
    if not why.strip():
        raise UsageError('an override needs a reason, which the student reads: add --why "...".')
    return _decide(output, student, question, "override", _mark(points, who, why, withdraw=withdraw), withdraw=withdraw)


def mark(
    student: StudentArgument,
    question: QuestionArgument,
    points: PointsArgument = None,
    why: Annotated[str, typer.Option("--why", help="A word to the student.")] = "",
    who: WhoOption = None,
    withdraw: WithdrawOption = False,
    output: OutputOption = Path("reports/out"),
) -> int:
    """Give points for the explanation of a question."""
    return _decide(output, student, question, "mark", _mark(points, who, why, withdraw=withdraw), withdraw=withdraw)


def withdraw(
    student: StudentArgument,
    why: Annotated[str, typer.Option("--why", help="The reason; it is kept.")] = "",
    who: WhoOption = None,
    back: Annotated[bool, typer.Option("--back", help="Put it back.")] = False,
    output: OutputOption = Path("reports/out"),
) -> int:
    """Take a submission out of the gradebook, or put it back. All that was graded stays in the store."""
    if not (back or why.strip()):
        raise UsageError('taking somebody out needs a reason, which is kept: add --why "...".')
    with _writable(output) as store:
        card = people.meant(store, pages.latest(store).run.assignment, student, withdrawn=back).card
        store.withdraw(card, who or _user(), why.strip(), back=back)
        page = pages.write(store, *_shown(store, card.assignment))
    out.print(f"{card.student_id} ({card.summary}) is {'' if back else 'no longer '}in the gradebook.", soft_wrap=True)
    out.print(f"Class page: {page}", soft_wrap=True)
    return OK


def _shown(store: Store, assignment: str) -> tuple[Gradebook, pages.Look]:
    """The class of an assignment, and how its pages look."""
    return pages.gradebook(store, assignment), pages.look(store, pages.language(store), assignment)


def _mark(points: float | None, who: str | None, why: str, *, withdraw: bool) -> Mark:
    if (points is None) != withdraw:
        raise UsageError("give either POINTS or --withdraw.")
    if points is not None and not math.isfinite(points):
        raise UsageError(f"{points:g} is no number of points: give one from 0 to what the question is worth.")
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return Mark(points=points or 0.0, who=who or _user(), at=at, why=why.strip())


def _user() -> str:
    """The name that the operating system knows."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user may have no name
        return "unknown"


def _decide(output: Path, student: str, question: str, kind: Kind, given: Mark, *, withdraw: bool) -> int:
    """Write down what a person decided, and the pages that show it."""
    with _writable(output) as store:
        card = _current(store, student).graded
        known_question(f"the scorecard of {student}", [q.id for q in card.questions], question)
        found = next(q for q in card.questions if q.id == question)
        _fits(found, kind, given.points)
        if withdraw:
            _stands(store, card, question, kind)
        store.add_mark(card, question, kind, given, withdrawn=withdraw)
        before, after = card, store.marked(card)
        page = pages.write(store, *_shown(store, card.assignment))
    now = next(q for q in after.questions if q.id == question)
    what = f"{student}, {found.title}: {now.points:g} of {now.max_points:g} points"
    out.print(f"{what}; in all {after.summary} (checks alone: {before.summary}).", soft_wrap=True)
    out.print(f"Class page: {page}", soft_wrap=True)
    return OK


def _stands(store: Store, card: Scorecard, question: str, kind: Kind) -> None:
    """Raise `UsageError` where no such decision counts now: nothing is there to be taken back."""
    decided = store.events(card.assignment, card.student_id)
    mine = [e for e in decided if (e.question, e.kind, e.submission) == (question, kind, card.submission_digest)]
    if not mine or mine[-1].points is None:
        raise UsageError(
            f"{card.student_id} has no {kind} in {question} that could be taken back: "
            f"`grader show {card.student_id}` lists what was decided."
        )


def _writable(output: Path) -> Store:
    """The store of a folder that has one: what people decide is no reason to begin another."""
    if not (output / NAME).is_file():
        return Store(output)  # which says so
    return Store(output, write=True)


def _fits(question: QuestionResult, kind: Kind, points: float) -> None:
    most = question.explanation_points if kind == "mark" else question.max_points
    if kind == "mark" and not most:
        raise UsageError(f"{question.id} asks for no explanation: use `grader override` for the question's points.")
    if points > most:
        raise UsageError(f"{points:g} points are more than the {most:g} that there are: give 0 to {most:g}.")


def _current(store: Store, student: str) -> Kept:
    """The student's scorecard in the class that was graded last."""
    return people.meant(store, pages.latest(store).run.assignment, student)
