"""A network under no known name -> which question it answers, by what it does. Runs student code: stdlib and torch.

One network that maps the images to scores of the classes answers the question that asks for one. Where several
questions ask for a network, names decide first; then whether it has depthwise convolutions, where the assignment says
that this tells them apart; and otherwise the student is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from grader.source import flow
from grader.source.notebook import Book
from grader.untrusted import building, makers, naming
from grader.untrusted.makers import Bound
from grader.untrusted.shelf import Shelf, described

MOST_CANDIDATES = 20  # classes tried for a network that has no known name
MOST_REASONS = 2  # of candidates that do not fit; more is no help
REASON_CHARACTERS = 600

Question = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What came of looking: a name with its value and the rule that chose it, or a message on why there is none.

    `error`: what keeps every network of a submission from being built.
    """

    name: str = ""
    value: object = None
    rule: str = ""
    message: str = ""
    error: BaseException | None = None


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
    """Something that builds a network of the right shapes. `depthwise`: it filters channels alone somewhere."""

    name: str
    value: object
    depthwise: bool


def look(book: Book, question: Question, answer: dict[str, Any], taken: set[str]) -> Outcome:
    """The network that plays the role of `answer`."""
    fitting, reasons = _try_all(book, question, taken)
    wanted = (answer.get("role") or {}).get("depthwise")
    playing = [c for c in fitting if wanted is None or c.depthwise == wanted]
    network = question["network"]
    shape = f"(N, {', '.join(map(str, network['input_shape']))}) to (N, {network['classes']})"
    if len(playing) > 1:
        names = ", ".join(c.name for c in playing)
        return Outcome(message=f"{names} each map {shape}: name the right one {answer['name']}")
    if not playing:
        others = [_elsewhere(c, answer["name"], question["others"], book) for c in fitting]
        lacks = next((r.error for r in reasons if isinstance(r.error, ModuleNotFoundError)), None)
        if lacks and not others and not any(named(book, o) for o in question["others"] if o["network"]):
            return Outcome(error=lacks)
        return Outcome(message="; ".join(others) or "; ".join(map(str, reasons[:MOST_REASONS])))
    only = playing[0]
    before = _asked_before(question["others"], book) if wanted is None else ""
    if before:
        return Outcome(message=f"{only.name} was taken for {before}: if it is {answer['name']}, name it so")
    alone = "" if wanted is None else f" {'with' if wanted else 'without'} depthwise convolutions"
    return Outcome(only.name, only.value, f"{only.name} was taken for {answer['name']}: it alone maps {shape}{alone}")


def _try_all(book: Book, question: Question, taken: set[str]) -> tuple[list[Candidate], list[Reason]]:
    """The candidates that fit: classes, else objects, else functions; and why the networks among the others do not."""
    named = [c for c in book.candidates(question["id"]) if c.name not in taken and not c.effect]
    reasons: list[Reason] = []
    for kinds in (("module", "class", "object"), ("function",)):
        tried = [_tried(book, question, c, reasons) for c in [c for c in named if c.kind in kinds][:MOST_CANDIDATES]]
        if fitting := [c for c in tried if c]:
            return [c for c in fitting if isinstance(c.value, type)] or fitting, reasons
    return [], reasons


def _tried(book: Book, question: Question, candidate: flow.Candidate, reasons: list[Reason]) -> Candidate | None:
    """The candidate if it fits; else the reason joins the others, if it may be a network at all."""
    shelf = Shelf(book, book.slice([candidate.name], question["id"]))
    network = question["network"]
    value = None
    try:
        if not shelf.has(candidate.name):
            raise shelf.error_of(candidate.name)
        value = shelf.get(candidate.name)
        bound = Bound(book, candidate.name, value, candidate.name)
        model = makers.made(bound, tuple(network["input_shape"]), network["classes"], 0).model
    except BaseException as e:  # noqa: BLE001  # trying is how we find out
        if _may_be_network(candidate, value, e):
            reasons.append(Reason(candidate.name, e))
        return None
    return Candidate(candidate.name, value, _is_depthwise(model))


def _may_be_network(candidate: flow.Candidate, value: object, error: BaseException) -> bool:
    """Whether it is worth saying why a candidate does not fit."""
    lacks = isinstance(error, ModuleNotFoundError)
    is_class = candidate.kind == "module" or (candidate.kind == "class" and value is None)
    return is_class or _is_composed(value) or (lacks and candidate.kind == "function")


def _is_composed(value: object) -> bool:
    """Whether an object is made of layers and its class is not the submission's own, which is spoken of itself."""
    own = not type(value).__module__.startswith(("torch.", "torchvision."))
    return isinstance(value, nn.Module) and not own and any(True for _ in value.children())


def _is_depthwise(model: nn.Module) -> bool:
    return any(isinstance(m, nn.Conv2d) and m.groups == m.in_channels > 1 for m in model.modules())


def _elsewhere(candidate: Candidate, answer: str, others: list[dict[str, Any]], book: Book) -> str:
    """Where a network went that fits the shapes and not the role."""
    roles = {o["name"]: (o.get("role") or {}).get("depthwise") for o in others if o["network"] and not named(book, o)}
    other = next((name for name, depthwise in roles.items() if depthwise == candidate.depthwise), "")
    has = f"has {'depthwise' if candidate.depthwise else 'no depthwise'} convolutions"
    went = f"was taken for {other}" if other else "was not taken"
    return f"{candidate.name} {has} and {went}: if it is {answer}, name it so"


def _asked_before(others: list[dict[str, Any]], book: Book) -> str:
    """The first network that an earlier question asks for and that has no known name either; "" for none."""
    return next((str(o["name"]) for o in others if o["network"] and o["before"] and not named(book, o)), "")


def named(book: Book, other: dict[str, Any]) -> str:
    """What is known by name as the answer to another question; "" for nothing."""
    return naming.find(book, other["name"], other["aliases"], other["question"]).name
