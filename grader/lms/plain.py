"""No platform: files and folders as the rules of intake share them out; grades as a CSV of our own."""

from __future__ import annotations

from collections.abc import Iterator

from grader import intake
from grader.lms import grades, table
from grader.lms.platform import Choices, Export, Handed, Platform
from grader.lms.sheet import Filled
from grader.model import Gradebook, Scorecard

FIRST = ("student_id", "name", "platform", "platform_id", "submitted_at", "late")
LAST = ("points", "late_percent", "grade", "max_points", "pending_points")


def recognise(export: Export) -> str:  # noqa: ARG001  # the shape of a platform
    """Everything that is nobody else's."""
    return "no platform's marks are in it"


def handed_in(export: Export) -> Iterator[Handed]:
    """By place: one file or one folder is one student's."""
    groups, _ = intake.by_place(export.entries, export.root)
    for student_id, entries in groups.items():
        yield Handed(student_id, entries=entries)


def make(book: Gradebook, choices: Choices) -> Filled:
    """One line a student, each of a group too, one column a question; points are left empty where some are pending."""
    questions = list(dict.fromkeys(q.id for c in book.scorecards for q in c.questions))
    rows = [_row(who, c, questions, choices) for c in book.scorecards for who in c.people]
    finals = [grades.final(c, include_pending=choices.include_pending) for c in book.scorecards]
    return Filled(
        table.written([*FIRST, *questions, *LAST], rows, mark=True),
        tuple(c.student_id for c, final in zip(book.scorecards, finals, strict=True) if final),
        tuple(c.student_id for c, final in zip(book.scorecards, finals, strict=True) if not final),
    )


def _row(who: str, card: Scorecard, questions: list[str], choices: Choices) -> list[str]:
    points = {q.id: q for q in card.questions}
    final = grades.final(card, include_pending=choices.include_pending)
    late = "" if card.late is None else "yes" if card.late else "no"
    when = card.submitted_at.isoformat() if card.submitted_at else ""
    return [
        *(who, card.name, card.platform, card.platform_id, when, late),
        *(
            grades.number(points[q].points) if q in points and (final or not points[q].pending_points) else ""
            for q in questions
        ),
        *(grades.number(p) if final else "" for p in (card.points, card.late_percent, card.grade)),
        grades.number(card.max_points),
        grades.number(card.pending_points),
    ]


PLATFORM = Platform("plain", "files and folders of students", recognise, handed_in, make=make)
