"""What the store remembers, as tables for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from rich.console import Group
from rich.table import Table
from rich.text import Text

from grader.model import Mark, QuestionResult, Scorecard, Verdict
from grader.store import Event, Kept, PastRun, Withdrawal
from grader.terminal.console import verdict
from grader.text import plain

SHOWN = 12  # characters of a digest
ENDED = {"": "did not end", "finished": "finished", "interrupted": "interrupted", "failed": "failed"}


def runs(found: list[PastRun]) -> Table:
    """One line per run."""
    table = Table("run", "began", "ended", "graded", "of", "how", "with", title="Runs")
    for past in found:
        run = past.run
        table.add_row(
            str(past.id),
            time(past.started),
            f"{ENDED.get(past.how, past.how)}\n{time(past.ended)}".strip(),
            f"{past.graded} of {past.submissions}",
            run.assignment,
            f"{run.device}, {run.recipe}\ndata {run.data_digest[:SHOWN]}",
            f"grader {run.engine}\ntorch {run.torch}",
        )
    return table


def scorecard(kept: Kept) -> Group:
    """A student's current scorecard: its questions, and what to know of the checks that did not pass."""
    card = kept.card
    table = Table("question", "points", "verdicts", "by a person", title=f"{plain(card.student_id)}: {card.summary}")
    for question in card.questions:
        counts = Counter(c.verdict for c in question.standing)
        verdicts = Text("  ").join(Text(f"{n} ").append(verdict(v)) for v, n in counts.most_common())
        points = f"{question.points:g}/{question.max_points:g}"
        table.add_row(question.title, points, verdicts, Text("; ".join(_by_person(question))))
    of = f"isolation level {card.isolation.level}; submission {card.submission_digest[:SHOWN]}"
    lines = [f"run {kept.run}, {time(kept.at)}; {of}", *map(plain, card.notes)]
    return Group(table, Text("\n".join(lines), style="dim"), *_failures(kept))


def _by_person(question: QuestionResult) -> list[str]:
    given = {"override": question.override, "explanation": question.mark}
    return [f"{what} {_said(mark)}" for what, mark in given.items() if mark]


def _said(mark: Mark) -> str:
    why = f": {plain(mark.why)}" if mark.why else ""
    return f"{mark.points:g} by {plain(mark.who)}, {time(mark.at)}{why}"


def _failures(kept: Kept) -> list[Table]:
    """What did not pass; checks of a question that ended alike share a row."""
    table = Table("check", "verdict", "message", title="What did not pass")
    for question in kept.card.questions:
        alike: dict[tuple[Verdict, str], list[str]] = {}
        for check in question.checks:
            if check.message and check.verdict is not Verdict.PASSED:
                alike.setdefault((check.verdict, check.message), []).append(check.title)
        for (outcome, message), titles in alike.items():
            table.add_row("\n".join(titles), verdict(outcome), Text(plain(message)))
    return [table] if table.row_count else []


def history(found: list[Kept]) -> Table:
    """Every scorecard of a student, the oldest first; points are those of the checks alone."""
    table = Table("run", "at", "submission", "points", "pending", title="History")
    for kept in found:
        card = kept.card
        of = f"{card.submission_digest[:SHOWN]} {plain(card.attempt)}{' (counts)' if card.attempts else ''}".rstrip()
        points = f"{card.points:g}/{card.max_points:g}"
        table.add_row(str(kept.run), time(kept.at), of, points, f"{card.pending_points:g}")
    return table


def decisions(
    found: list[Event], withdrawals: list[Withdrawal], card: Scorecard, lapsed: Collection[Event] = ()
) -> Table:
    """What people decided, the oldest first; what was of an earlier submission does not hold for this one."""
    rows = [(e.at, e.who, e.question, _decision(e), e.why, _of(e, card, lapsed)) for e in found]
    rows += [(w.at, w.who, "all", _taken(w), w.why, _which(w.submission, card)) for w in withdrawals]
    table = Table("at", "who", "question", "decision", "why", "of", title="Decisions")
    for at, who, question, decision, why, of in sorted(rows, key=lambda row: row[0]):
        table.add_row(time(at), plain(who), question, decision, Text(plain(why)), of)
    return table


def _decision(event: Event) -> str:
    what = "explanation" if event.kind == "mark" else "override"
    return f"{what} withdrawn" if event.points is None else f"{what} {event.points:g}"


def _taken(withdrawal: Withdrawal) -> str:
    return "put back into the gradebook" if withdrawal.back else "taken out of the gradebook"


def _which(submission: str, card: Scorecard) -> str:
    return "this submission" if submission == card.submission_digest else f"another one, {submission[:SHOWN]}"


def _of(event: Event, card: Scorecard, lapsed: Collection[Event]) -> str:
    """What a decision is of, and why it does not hold if it does not."""
    which = _which(event.submission, card)
    if event.submission != card.submission_digest:
        return which
    if event.question not in {q.id for q in card.questions}:
        return f"{which}; the question is gone"
    return f"{which}; more than there are by now" if event in lapsed else which


def time(at: str) -> str:
    """A time (ISO 8601, UTC) to the minute."""
    return at[:16].replace("T", " ")
