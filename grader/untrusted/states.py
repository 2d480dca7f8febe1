"""What is told of a name that a question asks for: whether it was found, how, and else why not. In sentences.

A state is "found" with the rule that found it, "missing" with a message, or "raised" with the error described.

Runs beside student code: standard library and torch only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from grader.source import settings
from grader.source.notebook import Book
from grader.untrusted.naming import Found
from grader.untrusted.recorder import Layer
from grader.untrusted.shelf import described

STILL = "{name} is still {value} ({place}): put your own answer there"
IS_STILL = re.compile(r"\w+ is still (?:None|Ellipsis) \((?P<place>.*)\): put your own answer there")

IMAGE = re.compile(r"!\[[^\]]{0,300}\]\(|<img\b", re.IGNORECASE)

MOST_LAYERS = 8  # named in one message

State = dict[str, Any]


def still(found: Found, value: object) -> State:
    """The state of a name that is bound to None or Ellipsis, as in the starter."""
    return {"state": "missing", "message": STILL.format(name=found.name, value=value, place=found.place)}


def out_of_reach(book: Book, answer: dict[str, Any], rivals: list[str]) -> str:
    """What to say of a name that is bound within a function only; "" where it is not."""
    names = "|".join([re.escape(answer["name"]), *answer["aliases"]])
    others = re.compile("|".join(rivals), re.IGNORECASE) if rivals else None
    inside = book.inside(re.compile(names, re.IGNORECASE), others)
    if not inside:
        return ""
    name, function, place = inside
    return (
        f"{name} is there only inside {function}() ({place}), where nothing outside can reach it. "
        f"Bind your answer to the name {answer['name']} at the top level"
    )


def unread(book: Book) -> str:
    """What could not be read, said with an answer that is missing: it may have been there."""
    return f". Not everything could be read: {book.problems[0]}" if book.problems else ""


def not_bound(error: BaseException) -> State:
    """The state of a name whose statements raised; one that lacks only a setting may be found in another way."""
    if isinstance(error, settings.Unset):
        return {"state": "missing", "message": str(error), "unset": True}
    return {"state": "raised", **described(error)}


def images(explanation: str) -> Iterator[str]:
    """A sentence on the images of an explanation, which no page shows."""
    if count := len(IMAGE.findall(explanation)):
        are = "1 image, which is" if count == 1 else f"{count} images, which are"
        yield f"the explanation holds {are} to be seen in the notebook only"


def said_once(states: dict[str, State]) -> dict[str, State]:
    """The states of a question's names; what is missing for the same reason has one message for all."""
    said = dict(states)
    reasons: dict[str, list[str]] = {}
    for name, state in states.items():
        if state["state"] == "missing":
            is_still = IS_STILL.fullmatch(state["message"])
            reasons.setdefault("still" if is_still else state["message"].replace(name, "{}"), []).append(name)
    for reason, names in reasons.items():
        if len(names) > 1:
            message = _of_several(reason, names, states[names[0]]["message"])
            said |= {name: {**states[name], "message": message} for name in names}
    return said


def _of_several(reason: str, names: list[str], first: str) -> str:
    """What is missing for one reason, in one sentence."""
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    if reason == "still" and (match := IS_STILL.fullmatch(first)):
        return f"{listed} are still None (the first: {match['place']}): put your own answers there"
    none_of = reason.replace("{} or alike", " or ".join([", ".join(names[:-1]), names[-1]]) + ", or alike")
    return none_of.replace("Bind your answer to the name", "Bind your answers to the names").replace("{}", listed)


def joined(message: str, more: str) -> str:
    """A message with another sentence after it."""
    return f"{message.removesuffix('.')}. {more}"


def listed(layers: list[Layer]) -> str:
    """Recorded layers in a message, each with its place: the first of many."""
    distinct = list({str(x): x for x in layers}.values())
    more = f" and {len(distinct) - MOST_LAYERS} more" if len(distinct) > MOST_LAYERS else ""
    return ", ".join(f"{x} ({x.place})" for x in distinct[:MOST_LAYERS]) + more
