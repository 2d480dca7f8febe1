"""A network under no known name -> which question it answers, by what it does. Runs student code: stdlib and torch.

One network that maps the images to scores of the classes answers the question that asks for one. Where several
questions ask for a network, names decide first; then whether it has depthwise convolutions, where the assignment says
that this tells them apart; and otherwise the student is asked.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from torch import nn

from grader.source import candidates, settings
from grader.source.notebook import Book
from grader.untrusted import building, makers, naming
from grader.untrusted.makers import Bound
from grader.untrusted.shelf import Shelf, described

MOST_CANDIDATES = 20  # classes tried for a network that has no known name
MOST_OWN = 2  # first aliases of an answer: those that name it; the others are any network's (`net`)
MOST_REASONS = 2  # of candidates that do not fit; more is no help
REASON_CHARACTERS = 600

FRAMEWORKS = frozenset("tensorflow keras jax flax paddle mxnet mindspore tinygrad".split())
"""Other frameworks: an object that lacks one may well be the network."""

Question = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What came of looking: a name with its value and the rule that chose it, or a message on why there is none.

    `error`: what keeps every network of a submission from being built. `told`: the settings that were filled in for it.
    """

    name: str = ""
    value: object = None
    rule: str = ""
    message: str = ""
    error: BaseException | None = None
    told: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reason:
    """Why something that may be a network does not fit."""

    name: str
    error: BaseException

    def __str__(self) -> str:
        if isinstance(self.error, building.NotAnAnswer):
            return str(self.error)
        told = described(self.error)
        return f"{self.name} raised {told['type']}: {told['message'][:REASON_CHARACTERS]}"


@dataclass(frozen=True)
class Candidate:
    """Something that builds a network of the right shapes. `depthwise`: it filters channels alone somewhere.

    `told`: the settings that its own statements were lent.
    """

    name: str
    value: object
    depthwise: bool
    told: tuple[str, ...] = ()

    def taken(self, rule: str) -> Outcome:
        """The outcome that it is the one."""
        return Outcome(self.name, self.value, rule, told=self.told)


def look(
    book: Book, question: Question, answer: dict[str, Any], taken: set[str], among: Collection[str] = ()
) -> Outcome:
    """The network that plays the role of `answer`; of those named `among`, if any are."""
    fitting, reasons = _try_all(book, question, taken, among)
    wanted = (answer.get("role") or {}).get("depthwise")
    playing = [c for c in fitting if wanted is None or c.depthwise == wanted]
    network = question["network"]
    shape = f"(N, {', '.join(map(str, network['input_shape']))}) to (N, {network['classes']})"
    if len(playing) > 1:
        return _of_several(book, answer, playing, shape)
    if not playing:
        others = _elsewhere(fitting, answer["name"], question, book)
        lacks = next((r.error for r in reasons if isinstance(r.error, ModuleNotFoundError)), None)
        if lacks and not others and not any(named(book, o, question) for o in question["others"] if o["network"]):
            return Outcome(error=lacks)
        return Outcome(message=others or _joined(reasons))
    only = playing[0]
    before = _asked_before(question, book) if wanted is None else ""
    if before:
        return Outcome(message=f"{only.name} was taken for {before}: if it is {answer['name']}, name it so")
    alone = "" if wanted is None else f" {'with' if wanted else 'without'} depthwise convolutions"
    return only.taken(f"{only.name} was taken for {answer['name']}: it alone maps {shape}{alone}")


def of_named(book: Book, question: Question, answer: dict[str, Any], several: Collection[str]) -> Outcome:
    """The one that is meant of several whose names fit: it alone fits, or is called so, or is made."""
    fitting, reasons = _try_all(book, question, set(), several)
    network = question["network"]
    shape = f"(N, {', '.join(map(str, network['input_shape']))}) to (N, {network['classes']})"
    if len(fitting) > 1:
        return _of_several(book, answer, fitting, shape)
    if not fitting:
        return Outcome(message=_joined(reasons))
    name, names = fitting[0].name, naming.listed(list(several))
    return fitting[0].taken(f"{name} was taken for {answer['name']}: of {names} it alone maps {shape}")


def _of_several(book: Book, answer: dict[str, Any], fitting: list[Candidate], shape: str) -> Outcome:
    """The one of several networks that the submission calls so, or else the only one that it makes."""
    names = naming.listed([c.name for c in fitting])
    for alias in (re.escape(answer["name"]), *answer["aliases"]):
        labels = book.called(alias)
        called = [c for c in fitting if c.name in labels]
        if len(called) == 1:
            name, label = called[0].name, labels[called[0].name]
            rule = f"{name} was taken for {answer['name']}: of {names} it alone is called {label!r}"
            return called[0].taken(rule)
    made = [c for c in fitting if _is_made(book, c.name)]
    if len(made) == 1:
        rule = f"{made[0].name} was taken for {answer['name']}: of {names} it alone is made into a network"
        return made[0].taken(rule)
    return Outcome(message=f"{names} each map {shape}: name the right one {answer['name']}")


def _is_made(book: Book, name: str) -> bool:
    """Whether the submission makes an object of it, functions included."""
    return any(c.kind == "object" for b in (book, book.opened) if b for c in b.made_with(name))


def _try_all(
    book: Book, question: Question, taken: set[str], among: Collection[str]
) -> tuple[list[Candidate], list[Reason]]:
    """The candidates that fit: classes, else objects, else functions; and why the networks among the others do not."""
    named = [c for c in book.candidates(question["id"]) if c.name not in taken and not c.effect]
    named = [c for c in named if c.name in among] if among else named
    reasons: list[Reason] = []
    for kinds in (("module", "class", "object"), ("function",)):
        tried = [_tried(book, question, c, reasons) for c in [c for c in named if c.kind in kinds][:MOST_CANDIDATES]]
        reasons = [r for r in reasons if not _answers_others(book, r.name, taken)]
        if fitting := [c for c in tried if c]:
            return [c for c in fitting if isinstance(c.value, type)] or fitting, reasons
    return [], reasons


def _tried(book: Book, question: Question, candidate: candidates.Candidate, reasons: list[Reason]) -> Candidate | None:
    """The candidate if it fits; else the reason joins the others, if it may be a network at all."""
    inside = book.where(candidate.name, question["id"])
    opened = inside is not None and inside.within != ""
    settings.forget()
    shelf = Shelf(book, book.slice([candidate.name], question["id"]), opened=opened)
    told = settings.said()
    network = question["network"]
    value = None
    try:
        if not shelf.has(candidate.name):
            raise shelf.error_of(candidate.name)
        value = shelf.get(candidate.name)
        bound = Bound(book, candidate.name, value, candidate.name)
        model = makers.made(bound, tuple(network["input_shape"]), network["classes"], 0).model
    except BaseException as e:  # noqa: BLE001  # trying is how we find out
        if _may_be_network(candidate, value, e) and candidate.name not in book.parts:
            reasons.append(Reason(candidate.name, e))
        return None
    return Candidate(candidate.name, value, _is_depthwise(model), told)


def _answers_others(book: Book, name: str, taken: set[str]) -> bool:
    """Whether all that is made of a class answers other questions: a layer that is written by hand."""
    made = {m.name for m in book.made_with(name) if m.kind == "object"}
    return bool(made) and made <= taken


def _may_be_network(candidate: candidates.Candidate, value: object, error: BaseException) -> bool:
    """Whether it is worth saying why a candidate does not fit."""
    lacks = isinstance(error, ModuleNotFoundError)
    if lacks and candidate.kind == "object":
        return str(getattr(error, "name", "")).partition(".")[0] in FRAMEWORKS
    is_class = candidate.kind == "module" or (candidate.kind == "class" and value is None)
    return is_class or _is_composed(value) or (lacks and candidate.kind == "function")


def _joined(reasons: list[Reason]) -> str:
    return "; ".join(str(r).rstrip(".") for r in reasons[:MOST_REASONS])


def _is_composed(value: object) -> bool:
    """Whether an object is made of layers and its class is not the submission's own, which is spoken of itself."""
    own = not type(value).__module__.startswith(("torch.", "torchvision."))
    return isinstance(value, nn.Module) and not own and any(True for _ in value.children())


def _is_depthwise(model: nn.Module) -> bool:
    return any(isinstance(m, nn.Conv2d) and m.groups == m.in_channels > 1 for m in model.modules())


def _elsewhere(fitting: list[Candidate], answer: str, question: Question, book: Book) -> str:
    """Where the networks went that fit the shapes and not the role, which all lack the same; "" for none."""
    if not fitting:
        return ""
    candidate, *more = fitting
    open_ = [o for o in question["others"] if o["network"] and not named(book, o, question)]
    roles = {o["name"]: (o.get("role") or {}).get("depthwise") for o in open_}
    other = next((name for name, depthwise in roles.items() if depthwise == candidate.depthwise), "")
    has = f"has {'depthwise' if candidate.depthwise else 'no depthwise'} convolutions"
    if more:
        names = naming.listed([c.name for c in fitting])
        have = f"have {'depthwise' if candidate.depthwise else 'no depthwise'} convolutions"
        return f"{names} {have}: if one of them is {answer}, name it so"
    went = f"was taken for {other}" if other else "was not taken"
    return f"{candidate.name} {has} and {went}: if it is {answer}, name it so"


def _asked_before(question: Question, book: Book) -> str:
    """The first network that an earlier question asks for and that has no known name either; "" for none."""
    earlier = (o for o in question["others"] if o["network"] and o["before"])
    return next((str(o["name"]) for o in earlier if not named(book, o, question)), "")


def rivals(question: Question) -> list[str]:
    """The names, as patterns, of the networks that other questions ask for."""
    return _names([o for o in question["others"] if o["network"]]) if question["network"] else []


def _names(answers: list[dict[str, Any]]) -> list[str]:
    return [pattern for a in answers for pattern in (re.escape(a["name"]), *a["aliases"][:MOST_OWN])]


def named(book: Book, other: dict[str, Any], question: Question) -> str:
    """What is known by name as the answer to another question than this; "" for nothing."""
    networks = [*(question["answers"] if question["network"] else []), *(o for o in question["others"] if o["network"])]
    against = _names([n for n in networks if n["name"] != other["name"]]) if other["network"] else []
    return naming.find(book, other["name"], other["aliases"], other["question"], rivals=against).name
