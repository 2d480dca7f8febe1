"""otter-grader: a flat folder of notebooks, one a student, in; its final_grades.csv out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from grader.lms import grades, table
from grader.lms.platform import Choices, Export, Handed, Platform
from grader.lms.sheet import Filled
from grader.model import Gradebook, Scorecard

MARKS = ("final_grades.csv", "otter_config.json")


def recognise(export: Export) -> str:
    """otter has been run in it."""
    return next((f"it holds {mark}" for mark in MARKS if export.file(mark)), "")


def handed_in(export: Export) -> Iterator[Handed]:
    """Each notebook or script is a student's."""
    for entry in export.files:
        if entry.is_source:
            stem = PurePosixPath(entry.name).stem
            yield Handed(stem, platform_id=entry.name, entries=[entry])


def make(book: Gradebook, choices: Choices) -> Filled:
    """otter's final_grades.csv: points by question below what can be reached, and how the grading ended."""
    questions = sorted({q.id for c in book.scorecards for q in c.questions})
    most = {q.id: q.max_points for c in book.scorecards for q in c.questions}
    total = sum(most.values())
    rows = [["points-per-question", *(grades.number(most[q]) for q in questions), grades.number(total), "", "--"]]
    pending = [c.student_id for c in book.scorecards if not grades.final(c, include_pending=choices.include_pending)]
    rows += [_row(w, c, questions, final=c.student_id not in pending) for c in book.scorecards for w in _names(c)]
    headings = ["file", *questions, "total_points_earned", "percent_correct", "grading_status"]
    written = tuple(c.student_id for c in book.scorecards if c.student_id not in pending)
    return Filled(table.written(headings, rows), written, tuple(pending))


def _names(card: Scorecard) -> tuple[str, ...]:
    """The file as otter knows it; elsewhere whoever handed it in."""
    return (card.platform_id,) if card.platform == "otter" else card.people


def _row(name: str, card: Scorecard, questions: list[str], *, final: bool) -> list[str]:
    if not final:
        return [name, *("" for _ in questions), "", "", f"{grades.number(card.pending_points)} points pending"]
    points = {q.id: grades.number(q.points) for q in card.questions}
    share = f"{card.grade / card.max_points:.4f}" if card.max_points else ""
    return [name, *(points.get(q, "") for q in questions), grades.number(card.grade), share, "Completed"]


PLATFORM = Platform("otter", "otter-grader, a folder of notebooks", recognise, handed_in, make=make, own=MARKS)
