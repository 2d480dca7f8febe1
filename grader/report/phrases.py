"""Messages in the reader's language. Scorecards hold English; a page or a terminal translates as it is shown.

Theory of operation. A catalogue is a TOML file of pairs: an English phrase with fields in braces, and its translation
with the same fields; `{count:n}` holds a number only, `{name:w}` one word, `{x:i}` one item of a list. A text is
translated as a whole where a phrase fits it, else sentence by sentence, else part by part; what no phrase fits stays as
it is. What a field holds is translated in the same way, but for numbers and single words, which are mostly names. It
may be a student's own text, so that fitting is by plain search, from left to right and never back: no text can make it
slow, as it could a regular expression.

The engine's phrases are `reports/phrases.<language>.toml`. An assignment's own, and its titles, lie in its folder as
`<language>.toml`; those of hidden checks in the reference's folder, where students never see them. An assignment may
also give the Chinese titles beside the English ones, as `title_zh`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from grader import content
from grader.errors import AssignmentError
from grader.model import ModelResult, QuestionResult, Scorecard
from grader.report import catalogues

ENGLISH, CHINESE = "en", "zh-TW"
FIELD = re.compile(r"\{(\w+(?::\w)?)\}")
KINDS = {"n": re.compile(r"[-+]?\d[\d.,]*(?:e[-+]?\d+)?"), "w": re.compile(r"[^\s,;:]+"), "i": re.compile(r"[^;]+")}
SENTENCE_END = re.compile(r"(?<=\.) +(?=\S)|(?<=[!?]) +(?=[A-Z])")
FULL_WIDTH = "。：；，、！？）」"  # noqa: RUF001  # after these no space is written
WIDE = re.compile("[\u3000-\u9fff\uff00-\uffef]")  # between two of these neither
LISTS = {"; ": "；", ": ": "："}  # noqa: RUF001  # likewise
MOST_CHARACTERS = 8000  # of a text; ours are far shorter, and an exception's may be as long as it likes
MOST_SENTENCES = 6  # in one phrase
MOST_DEPTH = 4  # fields within fields


@dataclass(frozen=True)
class Phrase:
    """An English phrase, cut at its fields, and its translation. There is one literal more than there are fields.

    `fields` are names, `kinds` keys of KINDS or "".
    """

    literals: tuple[str, ...]
    fields: tuple[str, ...]
    kinds: tuple[str, ...]
    translation: tuple[str, ...]  # its literals and fields in turn, a literal at both ends
    longest: str  # of the literals but the first, whose first letter may be either

    @property
    def weight(self) -> int:
        """How much of it is fixed: of two phrases that fit, the heavier one is meant."""
        return sum(map(len, self.literals))

    def fit(self, text: str) -> dict[str, str] | None:
        """What the fields of an open phrase hold where it fits; no field is empty. None where it does not fit."""
        if self.longest not in text:
            return None
        first, *between, last = self.literals
        if not (_lower(text).startswith(first) if first else True) or not text.endswith(last):
            return None
        values, at, end = [], len(first), len(text) - len(last)
        for literal in between:
            found = text.find(literal, at + 1, end)
            if found < 0:
                return None
            values.append(text[at:found])
            at = found + len(literal)
        values.append(text[at:end])
        return self._named(values) if at < end else None

    def _named(self, values: list[str]) -> dict[str, str] | None:
        """The fields' values by name, where each is of its kind and fields of one name hold the same."""
        named: dict[str, str] = {}
        for name, kind, value in zip(self.fields, self.kinds, values, strict=True):
            if (kind and not KINDS[kind].fullmatch(value)) or named.setdefault(name, value) != value:
                return None
        return named

    def filled(self, values: Mapping[str, str]) -> str:
        """The translation with the fields' values; a space beside a field is for what is not Chinese."""
        text = self.translation[0]
        for field, literal in zip(self.translation[1::2], self.translation[2::2], strict=True):
            value = values[field]
            text = (text[:-1] if _meet(text[-2:-1], text[-1:], value[:1]) else text) + value
            text += literal[1:] if _meet(value[-1:], literal[:1], literal[1:2]) else literal
        return text


def _meet(before: str, between: str, after: str) -> bool:
    """Whether a space stands between two wide characters, or after a mark of full width."""
    return between == " " and bool(WIDE.match(before) and (before in FULL_WIDTH or WIDE.match(after)))


class Phrases:
    """The phrases of one language; call it with a text."""

    def __init__(self, pairs: Mapping[str, str]) -> None:
        found = sorted((_phrase(*pair) for pair in pairs.items()), key=lambda p: -p.weight)
        self._exact = {p.literals[0]: p.translation[0] for p in found if not p.fields}
        self._open = [p for p in found if p.fields]
        self.is_empty = not found  # every text stays as it is
        self._translated = lru_cache(maxsize=4096)(self._translate)

    def __call__(self, text: str) -> str:
        """The text, as far as the catalogue has it."""
        return text if len(text) > MOST_CHARACTERS or self.is_empty else self._translated(text, 0)

    def knows(self, text: str) -> bool:
        """Whether one phrase fits the whole text."""
        return self._whole(text, 0) is not None

    def _translate(self, text: str, depth: int) -> str:
        if depth > MOST_DEPTH:
            return text
        sentences = SENTENCE_END.split(text)
        if len(sentences) > 1:
            return _joined(self._sentences(sentences, depth))
        whole = self._whole(text, depth)
        return self._parts(text, depth) if whole is None else whole

    def _whole(self, text: str, depth: int) -> str | None:
        """The translation by the one phrase that fits; a full stop at the end may be there or not."""
        stop = text.endswith(".") and not text.endswith("..")
        bare = text.removesuffix(".") if stop else text
        if (known := self._exact.get(_lower(bare))) is not None:
            return known + "。" * stop
        for phrase in self._open:
            if (values := phrase.fit(bare)) is not None:
                names = {f for f, kind in zip(phrase.fields, phrase.kinds, strict=True) if kind in ("n", "w")}
                shown = {f: v if f in names else self._translated(v, depth + 1) for f, v in values.items()}
                return phrase.filled(shown) + "。" * stop
        return None

    def _sentences(self, sentences: list[str], depth: int) -> Iterator[str]:
        """Each sentence, or each run of a few that one phrase fits."""
        return self._runs(sentences, " ", lambda sentence: self._parts(sentence, depth), depth)

    def _runs(self, parts: list[str], mark: str, single: Callable[[str], str], depth: int) -> Iterator[str]:
        """Each part, or each run of a few that one phrase fits where the mark stands between them."""
        at = 0
        while at < len(parts):
            for count in range(1, min(MOST_SENTENCES, len(parts) - at) + 1):
                run = self._whole(mark.join(parts[at : at + count]), depth)
                if run is not None:
                    break
            else:
                count, run = 1, single(parts[at])
            yield run
            at += count

    def _parts(self, text: str, depth: int) -> str:
        """What stands before a colon and what is said of it, or a list, each part by itself."""
        for mark in sorted(LISTS, key=text.find):
            parts = text.split(mark, 1) if mark == ": " else text.split(mark)
            if len(parts) == 1 or (mark == ": " and self._is_of_one_part(parts[0], text)):
                continue
            translated = list(self._runs(parts, mark, lambda part: self._translated(part, depth + 1), depth + 1))
            if translated != parts:
                return LISTS[mark].join(translated)
        return text

    def _is_of_one_part(self, before: str, text: str) -> bool:
        """Whether a colon belongs to the first part of a list alone: a phrase fits that part as a whole."""
        first, *more = text.split("; ")
        return bool(more) and " " in before and self.knows(first)


def _phrase(english: str, translation: str) -> Phrase:
    """A pair of a catalogue. Raises AssignmentError where the two have other fields."""
    fields = [field.partition(":")[::2] for field in FIELD.findall(english)]
    if {name for name, _ in fields} != set(FIELD.findall(translation)) or any(k and k not in KINDS for _, k in fields):
        raise AssignmentError(f"the phrase {english!r} and its translation {translation!r} have other fields.")
    first, *rest = FIELD.split(english.removesuffix("."))[::2]
    if "" in rest[:-1]:
        raise AssignmentError(f"the phrase {english!r} has two fields side by side: nothing says where one ends.")
    names, kinds = (tuple(field[i] for field in fields) for i in (0, 1))
    return Phrase(
        (_lower(first), *rest),
        names,
        kinds,
        tuple(FIELD.split(translation.removesuffix("。"))),
        max(rest, key=len, default=""),
    )


def _lower(text: str) -> str:
    """With a small first letter: a phrase may begin a sentence or not."""
    return text[:1].lower() + text[1:]


def _joined(sentences: Iterable[str]) -> str:
    """Sentences in a row: no space after a mark of full width."""
    text = ""
    for sentence in sentences:
        text += sentence if not text or text[-1] in FULL_WIDTH else f" {sentence}"
    return text


def translate(text: str, language: str, assignment: str = "", folders: tuple[Path, ...] = ()) -> str:
    """The text in a language; what its catalogues do not have stays English."""
    return of(language, assignment, folders)(text)


@cache
def of(language: str, assignment: str = "", folders: tuple[Path, ...] = ()) -> Phrases:
    """The phrases for an assignment: the engine's, those that ship with it, and those of `folders`.

    Raises AssignmentError for a catalogue that cannot be read.
    """
    if language == ENGLISH:
        return Phrases({})
    engine = content.folder("reports") / f"phrases.{language}.toml"
    shipped = [content.folder(kind) / assignment for kind in ("assignments", "reference") if assignment]
    paths = [engine, *(folder / f"{language}.toml" for folder in (*shipped, *folders))]
    pairs = {english: text for path in paths if path.is_file() for english, text in catalogues.read(path).items()}
    return Phrases((catalogues.titles((*shipped, *folders)) if language == CHINESE else {}) | pairs)


def scorecard(card: Scorecard, say: Phrases) -> Scorecard:
    """A scorecard to be shown: titles, messages, notes and reasons in the reader's language.

    `source` stays English, because the page looks for names in it; it is translated line by line where it is shown.
    """
    if say.is_empty:
        return card
    return card.model_copy(
        update={
            "questions": tuple(question(q, say) for q in card.questions),
            "models": tuple(_network(m, say) for m in card.models),
            "notes": tuple(map(say, card.notes)),
            "isolation": card.isolation.model_copy(
                update={"name": say(card.isolation.name), "reason": say(card.isolation.reason)}
            ),
        }
    )


def question(result: QuestionResult, say: Phrases) -> QuestionResult:
    """A question's titles and messages in the reader's language."""
    checks = tuple(
        check.model_copy(update={"title": say(check.title), "message": say(check.message)}) for check in result.checks
    )
    return result.model_copy(update={"title": say(result.title), "checks": checks})


def _network(model: ModelResult, say: Phrases) -> ModelResult:
    baselines = tuple(b.model_copy(update={"title": say(b.title)}) for b in model.baselines)
    return model.model_copy(update={"baselines": baselines, "method": say(model.method), "reason": say(model.reason)})
