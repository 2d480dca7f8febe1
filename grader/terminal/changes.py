"""What another check found that the one before did not: for a student who checks after each save."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from grader.assignment import Assignment
from grader.model import CheckResult, Scorecard, Verdict
from grader.report import phrases
from grader.report.wording import strings
from grader.terminal.checklist import Tongue
from grader.text import plain


def since(
    before: Scorecard, now: Scorecard, assignment: Assignment, lang: str, folders: tuple[Path, ...] = ()
) -> RenderableType:
    """Each check whose verdict is another than before, or that says something else; a sentence where there is none."""
    tongue = Tongue(phrases.of(lang, assignment.id, folders), strings(lang))
    earlier = {place: check for place, _, check in _checks(before)}
    lines = [
        Text.assemble("  ", change, f"  {plain(tongue.say(title))}: {plain(tongue.say(check.title))}")
        for place, title, check in _checks(now)
        if place in earlier and (change := _change(earlier[place], check, tongue))
    ]
    head = "terminal.since" if lines else "terminal.unchanged"
    return Group(Text(tongue.t(head), style="bold"), *lines)


def _change(before: CheckResult, now: CheckResult, tongue: Tongue) -> Text | None:
    if before.verdict is not now.verdict:
        return Text.assemble(tongue.verdict(before.verdict), " -> ", tongue.verdict(now.verdict))
    if before.message != now.message and now.verdict is not Verdict.PASSED:
        return Text.assemble(tongue.verdict(now.verdict), ", ", tongue.t("terminal.otherwise"))
    return None


def _checks(card: Scorecard) -> Iterator[tuple[tuple[str, str], str, CheckResult]]:
    """Each check with its place in the card and its question's title."""
    for question in card.questions:
        for check in question.checks:
            yield (question.id, check.id), question.title, check
