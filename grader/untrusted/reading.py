"""What a worker has found of the questions it was given: what is bound to the names asked for, and why not the others.

Theory of operation. Names come first: the statements that a name needs are run, and no others. What is then still open
may be tried again in other ways, each a request of its own, so that what a try costs or breaks costs no named answer:

    whole     the whole file is run, for names whose own statements lacked something, at once or when called
    role      a network under no known name is looked for by what it does (roles.py)
    within    what functions bind inside is looked at as if it stood outside (opening.py)
    record    layers without names are looked for by what is really called (recorder.py)

Runs student code: standard library and torch only.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from grader.source import settings
from grader.source.notebook import Book, Piece
from grader.untrusted import naming, recorder, roles, states, within
from grader.untrusted.makers import Bound
from grader.untrusted.recorder import Layer
from grader.untrusted.shelf import Shelf, described
from grader.untrusted.states import State

CURABLE = frozenset({"NameError", "UnboundLocalError", "AttributeError", "KeyError", "IndexError", "ImportError"})
"""What statements raise that lack something which others of the file may give."""

Question = dict[str, Any]


class Reading:
    """The answers to some questions, found by name when it is made, and in other ways by `again`."""

    def __init__(self, book: Book, questions: list[Question]) -> None:
        self.bound: dict[str, object] = {}
        self._own_names: dict[str, tuple[Book, str]] = {}
        self._book = book
        self._questions = questions
        self._found: dict[str, naming.Found] = {}
        self._names: dict[str, dict[str, State]] = {}
        self._dropped: dict[str, list[str]] = {}
        self._taken: dict[str, set[str]] = {}
        self._shelves: list[Shelf] = []
        self._told: dict[str, tuple[str, ...]] = {}
        if network := next((q["network"] for q in questions if q["network"]), None):
            channels, size = network["input_shape"][:2]
            settings.install(network["classes"], channels, size, lambda: book.declared)
        for question in questions:
            self._by_name(question)

    def _by_name(self, question: Question) -> None:
        """Bind a question's names, as far as they are there."""
        rivals = roles.rivals(question)
        taken = partial(self._others, question)
        found = {
            a["name"]: naming.find(self._book, a["name"], a["aliases"], question["id"], taken, rivals)
            for a in question["answers"]
        }
        piece = self._book.slice([f.name for f in found.values() if f.name], question["id"])
        settings.forget()
        shelf = Shelf(self._book, piece)
        self._shelves.append(shelf)
        self._told |= dict.fromkeys(found, settings.said())
        self._found |= found
        self._dropped[question["id"]] = [*piece.problems, *piece.dropped]
        self._names[question["id"]] = {
            a["name"]: self._bind(a, found[a["name"]], shelf, rivals) for a in question["answers"]
        }

    def _others(self, question: Question) -> set[str]:
        """What answers the other questions, by name; looked for once, and only when something is missing."""
        if question["id"] not in self._taken:
            self._taken[question["id"]] = {roles.named(self._book, o, question) for o in question["others"]}
        return self._taken[question["id"]]

    def _bind(self, answer: dict[str, Any], found: naming.Found, shelf: Shelf, rivals: list[str]) -> State:
        if not found.name:
            message = states.out_of_reach(self._book, answer, rivals) or found.rule
            return {"state": "missing", "message": f"{message}{states.unread(self._book)}"}
        if not shelf.has(found.name):
            return states.not_bound(shelf.error_of(found.name))
        value = shelf.get(found.name)
        if value is None or value is ...:
            return states.still(found, value)
        return self._take(answer["name"], value, f"{found.rule} ({found.place}){found.near}", found.name)

    def _take(self, name: str, value: object, rule: str, own: str = "", book: Book | None = None) -> State:
        """Bind an answer; `own` is the submission's name for it, in the `book` where that is another."""
        self.bound[name] = value
        self._own_names[name] = book or self._book, own or name
        return {"state": "found", "rule": rule}

    def network(self, name: str) -> Bound:
        """What an answer that should be a network is bound to, with the submission's own name for it."""
        book, own = self._own_names[name]
        return Bound(book, own, self.bound[name], name)

    def told(self, name: str) -> tuple[str, ...]:
        """The settings that an answer's statements were lent; a sentence each."""
        return self._told.get(name, ())

    def cause_of(self, error: BaseException) -> BaseException:
        """What made `error`, where that is only a name that was not bound when the submission was read."""
        causes = (shelf.cause_of(error) for shelf in self._shelves)
        return next((cause for cause in causes if cause is not error), error)

    # ------------------------------------------------------------------------------------------------ what it tells

    def body(self) -> dict[str, Any]:
        """What a reply says of it: each question's names, what was left out, its explanation, and what may be tried."""
        return {
            "questions": {q["id"]: self._of(q) for q in self._questions},
            "tries": [step for step, open_ in self._open().items() if any(True for _ in open_)],
            "problems": list(self._book.problems),
            "notes": list(self._book.notes),
        }

    def _of(self, question: Question) -> dict[str, Any]:
        wanted = question["explanation"]
        explanation = self._book.explanation(wanted["name"], wanted["headings"]) if wanted else None
        return {
            "names": states.said_once(self._names[question["id"]]),
            "dropped": [*states.images(explanation or ""), *self._dropped[question["id"]]],
            "explanation": explanation,
        }

    def _open(self) -> dict[str, Iterator[tuple[Question, dict[str, Any]]]]:
        """The answers for which each other way may help."""
        return {
            "whole": self._lacking(),
            "role": self._networks(),
            "within": self._out_of_sight(),
            "record": self._layers(),
        }

    def _states(self) -> Iterator[tuple[Question, dict[str, Any], State]]:
        for question in self._questions:
            for answer in question["answers"]:
                yield question, answer, self._names[question["id"]][answer["name"]]

    def _lacking(self) -> Iterator[tuple[Question, dict[str, Any]]]:
        for question, answer, state in self._states():
            missing = state["state"] == "missing" and self._book.hides_names
            if missing or (state["state"] == "raised" and state["type"] in CURABLE):
                yield question, answer

    def _networks(self) -> Iterator[tuple[Question, dict[str, Any]]]:
        for question, answer, state in self._states():
            found = self._found[answer["name"]]
            unknown = state["state"] == "missing" and (not found.name or "unset" in state)
            if question["network"] and (unknown or self._is_broken_object(question, answer, state)):
                yield question, answer

    def _is_broken_object(self, question: Question, answer: dict[str, Any], state: State) -> bool:
        """Whether an object whose name is only like the answer's cannot be made: what it is made of may be there."""
        name = self._found[answer["name"]].name
        definition = self._book.where(name, question["id"]) if state["state"] == "raised" else None
        return definition is not None and definition.kind == "assignment" and name != answer["name"]

    def _out_of_sight(self) -> Iterator[tuple[Question, dict[str, Any]]]:
        for question, answer, state in self._states():
            if state["state"] == "missing" and not self._found[answer["name"]].name and self._book.opened:
                yield question, answer

    def _layers(self) -> Iterator[tuple[Question, dict[str, Any]]]:
        for question, answer, state in self._states():
            if state["state"] == "missing" and (answer.get("role") or {}).get("op"):
                yield question, answer

    # ------------------------------------------------------------------------------------------------- other ways

    def complete(self, name: str) -> None:
        """Bind a name anew from the whole file, because what it is bound to lacked another name when it was called."""
        self._run_whole([(q, a) for q, a, state in self._states() if a["name"] == name and state["state"] == "found"])

    def again(self, step: str) -> None:
        """Try to find what is still open in another way: "whole", "role", "within" or "record"."""
        ways = {"whole": self._run_whole, "role": self._look, "within": self._within, "record": self._record}
        ways[step](list(self._open()[step]))

    def _run_whole(self, open_: list[tuple[Question, dict[str, Any]]]) -> None:
        shelves: dict[str, tuple[Shelf, Piece]] = {}
        for question, answer in open_:
            found = self._found[answer["name"]]
            file = found.place.file if found.place else self._book.file_for(question["id"])
            if file not in shelves:
                piece = self._book.whole(file)
                shelves[file] = Shelf(self._book, piece), piece
                self._shelves.append(shelves[file][0])
            shelf, piece = shelves[file]
            name = found.name or answer["name"]
            value = shelf.get(name) if shelf.has(name) else shelf.anywhere(name)
            if value is None or value is ...:
                continue
            why = self._why_whole(question, answer, name)
            self._names[question["id"]][answer["name"]] = self._take(
                answer["name"], value, f"{name} was bound when the whole of {file} was run, {why}", name
            )
            self._dropped[question["id"]] = [f"the whole of {file} was run, {why}", *piece.problems, *piece.dropped]

    def _why_whole(self, question: Question, answer: dict[str, Any], name: str) -> str:
        state = self._names[question["id"]][answer["name"]]
        if state["state"] == "found":
            return f"because {name} lacked a name of the file when it was called"
        if state["state"] == "missing":
            return f"because no statement that can be seen binds {name}"
        return f"because the statements that {name} needs raised {state['type']}: {state['message'][:200]}"

    def _look(self, open_: list[tuple[Question, dict[str, Any]]]) -> None:
        for question, answer in open_:
            several = [d.name for d in self._found[answer["name"]].several]
            if several:
                outcome = roles.of_named(self._book, question, answer, several)
            else:
                outcome = roles.look(self._book, question, answer, self._others(question))
            state = self._names[question["id"]][answer["name"]]
            if outcome.name:
                state = self._take(answer["name"], outcome.value, outcome.rule, outcome.name)
                self._told[answer["name"]] = outcome.told
            elif outcome.error:
                state = {"state": "raised", **described(outcome.error)}
            elif outcome.message and state["state"] == "missing":
                state = {**state, "message": states.joined(state["message"], outcome.message)}
            self._names[question["id"]][answer["name"]] = state

    def _within(self, open_: list[tuple[Question, dict[str, Any]]]) -> None:
        for question, answer in open_:
            assert self._book.opened is not None  # noqa: S101  # else nothing is open
            outcome = within.look(self._book.opened, question, answer, self._others(question))
            if outcome.name:
                state = self._take(answer["name"], outcome.value, outcome.rule, outcome.name, self._book.opened)
                self._told[answer["name"]] = outcome.told
                self._names[question["id"]][answer["name"]] = state

    def _record(self, open_: list[tuple[Question, dict[str, Any]]]) -> None:
        seen: dict[str, list[Layer]] = {}
        for question, answer in open_:
            own = question["id"] if self._book.has_file_of(question["id"]) else ""
            if own not in seen:
                seen[own] = recorder.record(self._book, own)
            state = self._names[question["id"]][answer["name"]]
            self._names[question["id"]][answer["name"]] = self._cast(answer, seen[own], state)

    def _cast(self, answer: dict[str, Any], layers: list[Layer], state: State) -> State:
        """The recorded layer that plays the role of an answer, or what there is instead."""
        fit = recorder.fitting(answer["role"], layers)
        if len(fit) == 1:
            return self._take(answer["name"], fit[0].build(), f"taken from {fit[0].place}: {fit[0]}{fit[0].story}")
        if fit:
            message = f"{states.listed(fit)} could each be {answer['name']}: bind the right one to that name"
            return {**state, "message": message}
        same = [x for x in layers if x.kind == answer["role"]["op"]]
        told = f"Layers of this kind that were seen: {states.listed(same)}" if same else ""
        return {**state, "message": states.joined(state["message"], told)} if told else state
