"""What a worker is asked of questions, and what can be understood of its reply, which may be anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from grader import wire
from grader.assignment import Answer, Assignment, Question
from grader.model import File, Verdict
from grader.processes.process import Unanswered

MOST_REMARKS = 50
MOST_DROPPED = 2_000
MOST_TEXT = 4_000  # characters that an honest worker sends at most: expressions that look for causes are slow on more
MOST_EXPLANATION = 200_000
SAID_OF_A_NAME = ("state", "rule", "message", "type", "where", "package", "detail")


def load(files: Sequence[File], questions: Iterable[Question], assignment: Assignment) -> wire.Message:
    """The request to read what was handed in."""
    body = {
        "questions": [asked(q, assignment) for q in questions],
        "files": [f.name for f in files],
        "seed": assignment.seeds.public,
        "packages": list(assignment.allowed_packages),
    }
    return wire.Message("load", body, {str(i): _as_tensor(f.data) for i, f in enumerate(files)})


def asked(question: Question, assignment: Assignment) -> dict[str, Any]:
    """A question as the worker needs it: names and headings, no check and no point. `others` are not to be taken."""
    explanation = question.explanation
    at = assignment.questions.index(question)
    others = [
        {**_named(a), "question": q.id, "network": q.network is not None, "before": i < at}
        for i, q in enumerate(assignment.questions)
        for a in q.answers
        if i != at
    ]
    return {
        "id": question.id,
        "answers": [_named(a) for a in question.answers],
        "explanation": {"name": explanation.name, "headings": list(explanation.headings)} if explanation else None,
        "network": network_body(question),
        "others": others,
    }


def _named(answer: Answer) -> dict[str, Any]:
    role = answer.role.model_dump(mode="json") if answer.role else None
    return {"name": answer.name, "aliases": list(answer.aliases), "role": role}


def network_body(question: Question) -> dict[str, Any] | None:
    """The network that a question asks for, as the worker needs it."""
    network = question.network
    return {"input_shape": list(network.input_shape), "classes": network.classes} if network else None


def _as_tensor(data: bytes) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)


def readings(reply: wire.Message, questions: list[Question]) -> dict[str, Any]:
    """What a worker claims to have found of each question, so far as it can be understood; else raises `Unanswered`."""
    read = reply.body.get("questions")
    if reply.kind != "loaded" or not isinstance(read, dict) or not all(_is_reading(read.get(q.id)) for q in questions):
        raise Unanswered(Verdict.FAILED, "What was found in the submission came back in a form that cannot be read.")
    return {q.id: _reading(read[q.id], q) for q in questions}


def _reading(value: dict[str, Any], question: Question) -> dict[str, Any]:
    """Of what was found of a question that which was asked, cut to what an honest worker says."""
    found = {a.name: value["names"][a.name] for a in question.answers if a.name in value["names"]}
    explanation = value["explanation"]
    return {
        "names": {name: {k: text(said[k]) for k in SAID_OF_A_NAME if k in said} for name, said in found.items()},
        "dropped": [text(remark) for remark in value["dropped"][:MOST_DROPPED]],
        "explanation": explanation and explanation[:MOST_EXPLANATION],
    }


def text(value: object) -> str:
    """Words of a worker, which may be anything, no longer than those of an honest one."""
    return str(value)[:MOST_TEXT]


def strings(value: object) -> list[str]:
    """A list of strings, if it is a list."""
    return [text(v) for v in value[:MOST_REMARKS]] if isinstance(value, list) else []


def remarks(reply: wire.Message) -> tuple[str, ...]:
    """What a worker says it could not read or had to change; only shown."""
    lists = [reply.body.get(key) for key in ("problems", "notes")]
    return tuple(text(r) for found in lists if isinstance(found, list) for r in found[:MOST_REMARKS])[:MOST_REMARKS]


def _is_reading(value: object) -> bool:
    match value:
        case {"names": dict(names), "dropped": list(), "explanation": None | str()}:
            return all(_is_found(found) for found in names.values())
    return False


def _is_found(value: object) -> bool:
    match value:
        case {"state": "found", "rule": str()} | {"state": "missing" | "raised"}:
            return True
    return False
