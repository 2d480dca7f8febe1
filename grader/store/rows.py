"""What a store gives out: its rows as values, with the points that people gave where they hold."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from grader.model import Mark, QuestionResult, Scorecard

Kind = Literal["mark", "override"]
SubmissionKey = tuple[str, str]
"""A student's id and the digest of what was handed in."""


@dataclass(frozen=True)
class Run:
    """One grading as it began. `environment` is what else it takes to repeat it, and to render its pages."""

    assignment: str
    assignment_digest: str
    reference_digest: str
    engine: str
    python: str
    torch: str
    device: str
    seed: int
    recipe: str
    data_digest: str
    isolation: int
    basis: str
    environment: Mapping[str, Any]


@dataclass(frozen=True)
class PastRun:
    """A run with what came of it; `ended` is "" for one that was killed, or that still runs."""

    id: int
    started: str
    run: Run
    ended: str
    how: str
    submissions: int
    graded: int


@dataclass(frozen=True)
class Kept:
    """A complete scorecard as `graded`, and `card` with the marks that hold. `final`: nothing in it is INTERNAL."""

    id: int
    run: int
    at: str
    basis: str
    final: bool
    level: int
    graded: Scorecard
    card: Scorecard


@dataclass(frozen=True)
class Event:
    """Points that a person gave or, with None, took back; `submission` is what they were given for."""

    at: str
    who: str
    why: str
    student: str
    submission: str
    question: str
    kind: Kind
    points: float | None


@dataclass(frozen=True)
class Withdrawal:
    """A student's submission was taken out of the gradebook by a person, or put `back`."""

    at: str
    who: str
    why: str
    student: str
    submission: str
    back: bool = False


def past(row: sqlite3.Row) -> PastRun:
    """A row of runs, with what came of it."""
    values = {key: row[key] for key in Run.__dataclass_fields__}
    run = Run(**{**values, "environment": json.loads(row["environment"])})
    ended, how = row["ended"] or "", row["how"] or ""
    return PastRun(row["id"], row["started"], run, ended, how, row["submissions"], row["graded"])


def kept(row: sqlite3.Row, graded: Scorecard, marks: Mapping[SubmissionKey, list[sqlite3.Row]]) -> Kept:
    """A row of scorecards, with the marks that were given for what it is of."""
    card = marked(graded, marks.get((row["student"], row["submission"]), []))
    return Kept(row["id"], row["run"], row["at"], row["basis"], bool(row["final"]), row["level"], graded, card)


def marked(card: Scorecard, marks: list[sqlite3.Row]) -> Scorecard:
    """The scorecard with the marks that were given for this very submission."""
    if not marks:
        return card
    by_question: dict[str, dict[str, Mark]] = {}
    for row in marks:
        mark = Mark(points=row["points"], who=row["who"], at=row["at"], why=row["why"])
        by_question.setdefault(row["question"], {})[row["kind"]] = mark
    return card.model_copy(update={"questions": tuple(_given(q, by_question.get(q.id, {})) for q in card.questions)})


def _given(question: QuestionResult, marks: Mapping[str, Mark]) -> QuestionResult:
    """The question with a person's points, so far as they still fit: the assignment may give fewer by now."""
    return question.model_copy(update={kind: m for kind, m in marks.items() if m.points <= _most(question, kind)})


def lapsed(card: Scorecard, marks: list[sqlite3.Row]) -> list[Event]:
    """Those of the points that a person gave which are more than the question gives by now: they do not count."""
    questions = {q.id: q for q in card.questions}
    there = [row for row in marks if row["question"] in questions]
    return [event(row) for row in there if row["points"] > _most(questions[row["question"]], row["kind"])]


def event(row: sqlite3.Row) -> Event:
    """A row of marks."""
    return Event(**{key: row[key] for key in Event.__dataclass_fields__})


def _most(question: QuestionResult, kind: str) -> float:
    return question.explanation_points if kind == "mark" else question.max_points
