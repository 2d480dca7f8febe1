"""A network under no known name -> which question it answers, by what it does. Runs student code: stdlib and torch.

One network that maps the images to scores of the classes answers the question that asks for one. Where several
questions ask for a network, names decide first; then whether it has depthwise convolutions, where the assignment says
that this tells them apart; and otherwise the student is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from grader.source.notebook import Book
from grader.untrusted import building, naming
from grader.untrusted.shelf import Shelf, described

MOST_CANDIDATES = 20  # classes tried for a network that has no known name
MOST_REASONS = 2  # of candidates that do not fit; more is no help
REASON_CHARACTERS = 600

Question = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What came of looking: a name with its value and the rule that chose it, or a message on why there is none."""

    name: str = ""
    value: object = None
    rule: str = ""
    message: str = ""


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
        return Outcome(message="; ".join(others) or "; ".join(reasons[:MOST_REASONS]))
    only = playing[0]
    before = _asked_before(question["others"], book) if wanted is None else ""
    if before:
        return Outcome(message=f"{only.name} was taken for {before}: if it is {answer['name']}, name it so")
    alone = "" if wanted is None else f" {'with' if wanted else 'without'} depthwise convolutions"
    return Outcome(only.name, only.value, f"{only.name} was taken for {answer['name']}: it alone maps {shape}{alone}")


def _try_all(book: Book, question: Question, taken: set[str]) -> tuple[list[Candidate], list[str]]:
    """The candidates that fit, classes before objects, and why the networks among the others do not."""
    fitting: list[Candidate] = []
    reasons: list[str] = []
    candidates = [c for c in book.candidates(question["id"]) if c.name not in taken and c.kind != "function"]
    for candidate in candidates[:MOST_CANDIDATES]:
        shelf = Shelf(book, book.slice([candidate.name], question["id"]))
        if not shelf.has(candidate.name):
            continue
        value = shelf.get(candidate.name)
        try:
            model = _fitted(candidate.name, value, question["network"])
        except building.NotAnAnswer as e:
            reasons += [str(e)] if candidate.kind == "module" else []
        except BaseException as e:  # noqa: BLE001  # trying is how we find out
            error = described(e)
            told = f"{candidate.name} raised {error['type']}: {error['message'][:REASON_CHARACTERS]}"
            reasons += [told] if candidate.kind == "module" else []
        else:
            fitting.append(Candidate(candidate.name, value, _is_depthwise(model)))
    classes = [c for c in fitting if isinstance(c.value, type)]
    return classes or fitting, reasons


def _fitted(name: str, value: object, network: Question) -> nn.Module:
    """The network behind a name, if it has the right shapes. Raises what it raises, or `NotAnAnswer`."""
    model = building.build_model(name, value, network["classes"], network["input_shape"][0])
    building.check_output(name, model, tuple(network["input_shape"]), network["classes"])
    return model


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
