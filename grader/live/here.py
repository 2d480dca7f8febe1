"""The worker of a notebook: it stands in the notebook's own process and finds an answer among the notebook's names."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from grader import wire
from grader.live.names import Names, look_up, own_copy
from grader.model import Verdict
from grader.processes.process import Unanswered
from grader.source import notebook
from grader.untrusted.makers import Bound
from grader.untrusted.worker import Desk

INTERRUPTED = "You interrupted it, so there is no answer. Look for an endless loop, or for training in the wrong place."
MOST_PRINTED = 10_000
NO_FILE = notebook.open_({"notebook.py": b"pass"})  # a notebook's names alone count, and no other way to a network
CUT = f"\n[the rest is not shown: more than {MOST_PRINTED:,} characters were printed]\n"


class Prints(io.TextIOBase):
    """What student code prints while it is checked goes on to where the notebook shows it, up to a limit."""

    def __init__(self, shown: TextIO) -> None:
        self._shown = shown
        self._left = MOST_PRINTED

    def write(self, text: str) -> int:
        """Show it, or as much as may still be shown; the length of all of it."""
        if self._left > 0:
            self._shown.write(text[: self._left] if len(text) <= self._left else text[: self._left] + CUT)
            self._left -= len(text)
        return len(text)

    def writable(self) -> bool:
        """Yes."""
        return True

    def flush(self) -> None:
        """As the notebook's own."""
        self._shown.flush()


class Crew:
    """Gives the one worker that there is: this process."""

    def __init__(self, names: Names) -> None:
        self._worker = Here(names)

    def worker(self, *_: object, **__: object) -> Any:  # a Worker in all that is asked of it, and no process
        """The worker."""
        return self._worker

    def rest(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is kept."""


class Here:
    """Answers requests as a worker does, in this process. After an interruption it answers nothing more."""

    alive = True
    output = ""

    def __init__(self, names: Names) -> None:
        self._desk = LiveDesk(names)
        self._prints = Prints(sys.stdout)
        self._interrupted = False

    def ask(self, request: wire.Message, wall_seconds: float) -> wire.Message:  # noqa: ARG002  # the student has a button
        """The reply to a request. Raises `Unanswered` when the student interrupts."""
        if not self._interrupted:
            with contextlib.redirect_stdout(self._prints):
                reply = _over(self._desk.answer(_over(request)))
            self._interrupted = reply.kind == "raised" and reply.body.get("type") == "KeyboardInterrupt"
        if self._interrupted:
            raise Unanswered(Verdict.TIMED_OUT, INTERRUPTED)
        return reply

    def end(self) -> None:
        """It lives on with the notebook."""


def _over(message: wire.Message) -> wire.Message:
    """The message as it arrives on the other side."""
    try:
        return wire.unpack(wire.pack(message))
    except (wire.Bad, ValueError, NotImplementedError, RuntimeError) as e:  # what was made is no plain tensor
        return wire.Message("refused", {"message": f"the result cannot be handed over: {e}."})


class LiveDesk(Desk):
    """Binds the names that are asked for to the notebook's objects."""

    def __init__(self, names: Names) -> None:
        super().__init__()
        self._names = names
        self._found: dict[str, object] = {}

    def answer(self, request: wire.Message) -> wire.Message:
        """The reply to a request; an exception is placed by the number of its cell."""
        reply = super().answer(request)
        if reply.kind != "raised" or not reply.body.get("where"):
            return reply
        file, comma, line = str(reply.body["where"]).rpartition(", line ")
        return wire.Message(reply.kind, {**reply.body, "where": f"{_cell(file)}{comma}{line}"}, reply.tensors)

    def _load(self, request: wire.Message) -> wire.Message:
        read = {question["id"]: self._read_names(question) for question in request.body["questions"]}
        return wire.Message("loaded", {"questions": read, "problems": [], "notes": [], "tries": []})

    def _again(self, request: wire.Message) -> wire.Message:  # noqa: ARG002  # as Desk
        return wire.Message("refused", {"message": "there is nothing to run beside what the notebook has run"})

    def _answer(self, name: str) -> object:
        return own_copy(self._found[name])

    def _bound(self, name: str) -> tuple[Bound, tuple[str, ...]]:
        return Bound(NO_FILE, name, self._answer(name), name), ()

    def _read_names(self, question: dict[str, Any]) -> dict[str, Any]:
        taken = {other["name"] for other in question["others"]}
        states = {a["name"]: self._state(a["name"], a["aliases"], taken) for a in question["answers"]}
        return {"names": states, "kept": [], "dropped": [], "explanation": None}

    def _state(self, answer: str, aliases: Sequence[str], taken: set[str]) -> dict[str, str]:
        name, rule = look_up(self._names, answer, aliases, taken)
        if not name:
            return {"state": "missing", "message": rule}
        value = self._names[name]
        if value is None or value is ...:
            return {
                "state": "missing",
                "message": f"{name} is still {value}: put your own answer there, and run its cell",
            }
        self._found[answer] = value
        return {"state": "found", "rule": rule}


def shell() -> Any:
    """The notebook's IPython shell, or None outside of one."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def _cell(file: str) -> str:
    """A cell of the notebook by its number, "cell In[3]", as IPython shows it; any other file by its name."""
    label: Callable[[str], tuple[str, str] | None] | None = getattr(
        getattr(shell(), "compile", None), "format_code_name", None
    )
    named = label(file) if label else None
    return f"cell {named[1]}" if named else file
