"""What one student sees of a check in the terminal: each question's checks, and a look at the networks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from grader.assignment import Assignment
from grader.model import (
    Baseline,
    Conclusion,
    ModelResult,
    OwnLine,
    QuestionResult,
    Scorecard,
    Verdict,
    Visibility,
)
from grader.report import failures, phrases, summary
from grader.report.phrases import Phrases
from grader.report.wording import Strings, strings
from grader.terminal.console import COLOURS
from grader.text import plain

TAKEN = re.compile(r"(\w+): (?:\w+ was (?:taken for|found under|bound when) |taken from )")
PLAINLY = re.compile(r"(\w+): \1 was found under its own name \([^;]*\)")


@dataclass(frozen=True)
class Tongue:
    """A language: `say` tells a message in it, `t` has its words by key."""

    say: Phrases
    t: Strings

    def verdict(self, value: Verdict) -> Text:
        """A verdict in its colour; in English as it is written everywhere."""
        word = value.value if self.t.lang == phrases.ENGLISH else self.t(f"verdict.{value}")
        return Text(word, style=COLOURS.get(value, "red"))

    def line(self, line: OwnLine) -> str:
        """The student's own line that a message is about, with its place."""
        return f"{self.say(f'{line.place}, line {line.number}')}: {line.text}"

    def count(self, question: QuestionResult) -> Text:
        """How many checks of a question passed."""
        passed, count = sum(c.verdict is Verdict.PASSED for c in question.checks), len(question.checks)
        return Text(self.t("terminal.passed", passed=passed, count=count), "green" if passed == count else "bold")


def shown(card: Scorecard, assignment: Assignment, lang: str, folders: tuple[Path, ...] = ()) -> RenderableType:
    """All that a student needs to see of a scorecard, told in a language; `folders` have phrases of their own."""
    tongue = Tongue(phrases.of(lang, assignment.id, folders), strings(lang))
    conclusion = tongue.say(concluded(card, assignment))
    card = phrases.scorecard(card, tongue.say)
    parts: list[RenderableType] = [_table(card, tongue)]
    parts += [_training(card.models, tongue)] if card.models else []
    parts += [Text(plain(note), style="dim") for note in card.notes if note != conclusion]
    parts.append(Text(conclusion, style="bold"))
    return Group(*parts)


def concluded(card: Scorecard, assignment: Assignment) -> str:
    """How many checks passed, and what was not checked."""
    asked = [assignment.question(q.id) for q in card.questions]
    public = [c for c in card.checks if c.visibility is Visibility.PUBLIC]
    passed = sum(c.verdict is Verdict.PASSED for c in public)
    return summary.public_checks(passed, len(public), sum(q.hidden_count for q in asked))


def _table(card: Scorecard, tongue: Tongue) -> Table:
    table = Table(tongue.t("terminal.result"), tongue.t("terminal.check"), box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(tongue.t("terminal.points"), justify="right")
    for question in card.questions:
        points = Text(f"{question.points:g}/{question.max_points:g}", style="bold")
        title = Text(question.title, style="bold")
        title.append("".join(f"\n{plain(tongue.say(line))}" for line in _taken(question)), style="not bold dim")
        table.add_row(tongue.count(question), title, points)
        for check, message in failures.said_once(question):
            what = Text(check.title)
            if message:
                what.append("\n" + plain(message), style="dim" if check.verdict is Verdict.PASSED else "yellow")
            if check.line and message:
                what.append("\n" + plain(tongue.line(check.line)), style="dim")
            table.add_row(tongue.verdict(check.verdict), what, f"{check.points:g}/{check.max_points:g}")
        table.add_section()
    return table


def _taken(question: QuestionResult) -> Iterator[str]:
    """What was taken for an answer, where that is not plainly what has its name."""
    for line in question.source:
        if TAKEN.match(line) and not PLAINLY.fullmatch(line):
            answer, _, rule = line.partition(": ")
            yield rule if answer in rule else line


# --------------------------------------------------------------------------------------------------------- networks


def _training(models: tuple[ModelResult, ...], tongue: Tongue) -> Group:
    """The accuracies of each class, and in words how each network learned."""
    kind = "drawn stand-in images, not CIFAR-10" if models[0].stand_in else models[0].data_name
    said = f"A short training on {plain(kind)}. It is no grade: it shows that a network learns, not how good it gets."
    table = Table(tongue.t("terminal.class"), box=box.SIMPLE_HEAD, pad_edge=False)
    for model in models:
        table.add_column(model.title, justify="right")
    for row in zip(*(m.classes for m in models), strict=True):
        table.add_row(plain(row[0].name), *(_percent(c.accuracy) for c in row))
    table.add_section()
    table.add_row(tongue.t("terminal.all"), *(Text(_percent(m.mean_accuracy), style="bold") for m in models))
    lines = [Text(tongue.say(line)) for m in models for line in _learned(m)]
    return Group(Text(tongue.say(said), style="bold"), table, *lines, Text())


def _learned(model: ModelResult) -> Iterator[str]:
    """How a network learned, and how the student's other network did beside it."""
    first, last = model.curve[0], model.curve[-1]
    yield (
        f"{model.title}: {model.parameters:,} parameters, {len(model.curve)} epochs on {model.train_images:,} images "
        f"in {model.seconds:.1f} s. The loss went from {first.loss:.2f} to {last.loss:.2f}, the accuracy while "
        f"learning from {_percent(first.accuracy)} to {_percent(last.accuracy)}."
    )
    for other in model.baselines:
        yield f"{other.title}, trained in the same way: {_percent(other.mean_accuracy)}. {_beside(model, other)}"


def _beside(model: ModelResult, other: Baseline) -> str:
    if other.overall.conclusion is Conclusion.UNCLEAR:
        return "There is no clear difference."
    return f"{model.title} is {other.overall.conclusion}."


def _percent(fraction: float | None) -> str:
    return "-" if fraction is None else f"{100 * fraction:.1f} %"
