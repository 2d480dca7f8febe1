"""Grades on their way out: which scorecards there are, which are final, and how a number is written."""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from grader import pages
from grader.errors import UsageError
from grader.model import Gradebook, Scorecard
from grader.store import NAME, Store

# What a spreadsheet takes for a formula at the beginning of a cell, the full-width signs included.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001  # the full-width forms are meant


def gradebook(out: Path) -> Gradebook:
    """The class in a folder that a grading filled, with the points that people gave. Raises `UsageError`.

    The store is asked; a folder that has none, because only its scorecards were copied, is read from those.
    """
    if (out / NAME).is_file():
        with Store(out) as store:
            return pages.gradebook(store)
    return _of_files(out)


def _of_files(out: Path) -> Gradebook:
    if not out.is_dir():
        raise UsageError(f"there is no folder {out}: give the one that `grader grade -o` wrote.")
    paths = sorted((out / "scorecards").glob("*.json"))
    if not paths:
        raise UsageError(
            f"{out} holds no scorecards: grade the class first, or give the folder that `grader grade -o` wrote."
        )
    cards = []
    for path in paths:
        try:
            cards.append(Scorecard.from_json(path.read_bytes()))
        except (OSError, ValueError, ValidationError) as e:
            raise UsageError(f"{path} is not a scorecard of this version: grade the class again.") from e
    if len(assignments := sorted({c.assignment for c in cards})) > 1:
        raise UsageError(f"{out} holds scorecards of several assignments ({', '.join(assignments)}): grade into two.")
    return Gradebook(assignment=assignments[0], title=assignments[0], scorecards=tuple(cards))


def final(card: Scorecard, *, include_pending: bool) -> bool:
    """Whether the points may go out: nobody's mark and no regrading is waited for, or that does not matter."""
    return include_pending or not card.pending_points


def number(points: float, comma: bool = False) -> str:
    """Points with at most two decimals and no more zeros than needed: "7.5", or "7,5"."""
    text = f"{points:.2f}".rstrip("0").rstrip(".")
    return text.replace(".", ",") if comma else text


def decimal_comma(values: Iterable[str]) -> bool:
    """Whether numbers in a sheet are written with a comma: one is, and none with a point."""
    given = list(values)
    return any(re.fullmatch(r"\d+,\d+", v) for v in given) and not any(re.fullmatch(r"\d+\.\d+", v) for v in given)


def other_maximum(platform: str, told: Iterable[str], book: Gradebook) -> tuple[str, ...]:
    """Says so when a platform counts the assignment out of another number of points; `told` is what its sheet says."""
    ours = max((c.max_points for c in book.scorecards), default=0.0)
    for theirs in told:
        with contextlib.suppress(ValueError):
            if abs(float(theirs.replace(",", ".")) - ours) >= 0.005:
                return (
                    f"{platform} counts this out of {theirs} points, the grading out of {ours:g}: change one of them.",
                )
    return ()


def inert(text: str) -> str:
    """The text with an apostrophe before what a spreadsheet would take for a formula; dashes alone are none."""
    return "'" + text if text.startswith(FORMULA) and text.strip("-") else text


class Finder:
    """Finds a student's scorecard by one of the ids that a sheet has; each card is found once."""

    def __init__(self, cards: Iterable[Scorecard]) -> None:
        self._cards = tuple(cards)
        self._by_platform = _index((c.platform_id, c) for c in self._cards)
        self._by_id = _index((key, c) for c in self._cards for key in (c.student_id, *c.members) if key)
        self._by_name = _index((plain_name(c.name), c) for c in self._cards)
        self._found: set[str] = set()

    def by_platform_id(self, platform_id: str, names: tuple[str, ...] = ()) -> Scorecard | None:
        """The card whose platform gave this id; with names, only if one of them is the card's, or it has none."""
        card = self._by_platform.get(platform_id.casefold())
        if card and names and card.name:
            known = {plain_name(n) for n in names if plain_name(n)}
            if not any(plain_name(card.name).endswith(n) for n in known):
                return None
        return self._take(card)

    def by_team(self, name: str) -> Scorecard | None:
        """The card of the team of this name."""
        return self.by_name(name)

    def by_id(self, *ids: str) -> Scorecard | None:
        """The card of the first of these ids that is somebody's."""
        return self._take(next((c for i in ids if i and (c := self._by_id.get(i.casefold()))), None))

    def by_name(self, *names: str) -> Scorecard | None:
        """The card of the one submission of this name, letter by letter; two of a name are nobody's."""
        keys = [plain_name(n) for n in names]
        return self._take(next((c for k in keys if k and (c := self._by_name.get(k))), None))

    @property
    def left(self) -> tuple[str, ...]:
        """The ids of those that were not found."""
        return tuple(c.student_id for c in self._cards if c.student_id not in self._found)

    def _take(self, card: Scorecard | None) -> Scorecard | None:
        if card:
            self._found.add(card.student_id)
        return card


def _index(pairs: Iterable[tuple[str, Scorecard]]) -> dict[str, Scorecard | None]:
    """By key, whatever the case; a key of two cards leads to none."""
    found: dict[str, Scorecard | None] = {}
    for key, card in pairs:
        if key:
            known = found.get(key.casefold(), card)
            found[key.casefold()] = card if known is card else None
    return found


def plain_name(name: str) -> str:
    """A name by its letters and digits alone, however their accents are encoded."""
    return "".join(c for c in unicodedata.normalize("NFC", name).casefold() if c.isalnum())
