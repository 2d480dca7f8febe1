"""Gradebook -> Gradebook with codes instead of people: ids, names and file names, and whatever text might name them.

The codes are drawn at random, so they say nothing without the key; the key stays with whoever drew it. Given an older
key, the same people get the same codes.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from grader.errors import UsageError
from grader.model import Alike, CheckResult, Gradebook, Mark, QuestionResult, Scorecard, Similarity
from grader.report import summary

ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # no 0 and o, no 1, i and l: codes are read aloud
LENGTH = 5
SHORTEST = 3  # characters of a name below which replacing it would hit ordinary words

Replace = Callable[[str], str]


def anonymous(gradebook: Gradebook, key: Mapping[str, str]) -> Gradebook:
    """The gradebook under codes (`key`: student id -> code), in their order, without what students wrote or printed.

    Explanations stay, with names that are known replaced: they are what is marked. Raises KeyError for a student that
    the key does not have.
    """
    replace = _replacing(gradebook.scorecards, key)
    cards = sorted((_scorecard(s, key, replace) for s in gradebook.scorecards), key=lambda s: s.student_id)
    similarity = _similarity(gradebook.similarity, key) if gradebook.similarity else None
    return gradebook.model_copy(update={"scorecards": tuple(cards), "similarity": similarity})


def draw(student_ids: Iterable[str], known: Mapping[str, str] | None = None) -> dict[str, str]:
    """A key: a code for everybody, those of `known` kept."""
    key = dict(known or {})
    for student in student_ids:
        while student not in key:
            code = "s-" + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
            if code not in key.values():
                key[student] = code
    return key


def read(path: Path) -> dict[str, str]:
    """A key that was written; {} where there is none. Raises UsageError for a file that is none."""
    if not path.exists():
        return {}
    try:
        key = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise UsageError(f"{path} is no key of codes ({e}): give another file, or remove it for new codes.") from e
    if not isinstance(key, dict) or not all(isinstance(code, str) for code in key.values()):
        raise UsageError(f"{path} is no key of codes: wanted JSON of student id -> code.")
    return key


def write(key: Mapping[str, str], path: Path) -> None:
    """Write the key for its owner alone: with it the codes are names again."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  # the descriptor carries the mode
        json.dump(dict(key), file, indent=2, ensure_ascii=False, sort_keys=True)


def _replacing(scorecards: Iterable[Scorecard], key: Mapping[str, str]) -> Replace:
    """Replaces every known id and name in a text by its code: whole ones in any case, parts of a name as written."""
    whole: dict[str, str] = {}
    parts: dict[str, str] = {}
    for card in scorecards:
        code = key[card.student_id]
        whole |= dict.fromkeys((card.student_id, card.name, card.platform_id, *card.members), code)
        parts |= dict.fromkeys(card.name.split(), code)
    codes = {name.casefold(): code for name, code in whole.items()} | parts
    alternatives = [f"(?i:{_word(n)})" for n in _longest(whole)] + [_word(n) for n in _longest(parts)]
    if not alternatives:
        return lambda text: text
    pattern = re.compile("|".join(alternatives))
    return lambda text: pattern.sub(lambda m: codes.get(m[0].casefold()) or codes.get(m[0], "…"), text)


def _longest(names: Iterable[str]) -> list[str]:
    """Those that are long enough to be nobody else's word, the longest first."""
    return sorted((n for n in names if len(n) >= (SHORTEST if n.isascii() else 2)), key=len, reverse=True)


def _word(name: str) -> str:
    """The name where it is not the middle of a longer word; Chinese is written without blanks."""
    return rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])"


def _scorecard(card: Scorecard, key: Mapping[str, str], replace: Replace) -> Scorecard:
    nothing = {"name": "", "members": (), "platform": "", "platform_id": "", "submitted_at": None, "output": ""}
    lateness = (
        card.lateness.model_copy(update={"why": card.lateness.why.partition(" Due ")[0]}) if card.lateness else None
    )
    return card.model_copy(
        update=nothing
        | {
            "student_id": key[card.student_id],
            "lateness": lateness,  # without its dates
            "submission_digest": "",  # the same files handed in elsewhere would tell whose they are
            "questions": tuple(_question(q, replace) for q in card.questions),
            "notes": tuple(replace(note) for note in card.notes),
            "flags": tuple(replace(flag) for flag in card.flags),
        }
    )


def _question(question: QuestionResult, replace: Replace) -> QuestionResult:
    return question.model_copy(
        update={
            "checks": tuple(_check(c, replace) for c in question.checks),
            "explanation": replace(question.explanation) if question.explanation else question.explanation,
            "source": tuple(replace(line) for line in question.source if summary.PLACE.match(line)),
            "mark": _mark(question.mark, replace),
            "override": _mark(question.override, replace),
        }
    )


def _check(check: CheckResult, replace: Replace) -> CheckResult:
    """A traceback quotes the student's own lines and paths, so it goes, as does the line itself."""
    return check.model_copy(update={"message": replace(check.message), "detail": "", "line": None})


def _mark(mark: Mark | None, replace: Replace) -> Mark | None:
    return mark.model_copy(update={"who": "", "why": replace(mark.why)}) if mark else None


def _similarity(similarity: Similarity, key: Mapping[str, str]) -> Similarity:
    """The pairs without their lines: comments and names in code are signatures."""
    return similarity.model_copy(update={"pairs": tuple(_pair(pair, key) for pair in similarity.pairs)})


def _pair(pair: Alike, key: Mapping[str, str]) -> Alike:
    one, other = (key.get(student, "?") for student in pair.students)
    return pair.model_copy(update={"students": (one, other), "left": (), "right": ()})
