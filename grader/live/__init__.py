"""`from grader import check` in a notebook: public checks of the objects that are defined there, without a process.

Theory of operation. The checks, the plugin that runs them and the code that runs an answer are those of `grader check`;
only the worker is another: it stands in the notebook's own process and finds an answer by its name among the notebook's
names. There is nobody to protect here, for it is the student's code in the student's process, and no answer is near. So
nothing is shut in and nothing has a time limit: the stop button ends what takes too long.

The notebook is left as it was: layers and networks are copied before weights are put into them, torch's random numbers
go on where they were, and messages go through the wire format, so that a check's tensors cannot be changed.
"""

from __future__ import annotations

import contextlib
import copy
import io
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from grader import assignment as assignments
from grader import wire
from grader.assignment import Assignment, Question
from grader.judge.plugin import Case, Plugin, Work, options
from grader.live.inline import Checked
from grader.model import CheckResult, QuestionResult, Submission, Verdict
from grader.processes.process import Unanswered
from grader.student import Student
from grader.untrusted.worker import Desk

Names = Mapping[str, object]
IPYTHONS_OWN = frozenset("In Out exit quit open get_ipython check".split())
QUIET = [
    word for plugin in ("faulthandler", "logging", "threadexception", "unraisableexception") for word in ("-p", plugin)
]
INTERRUPTED = "You interrupted it, so there is no answer. Look for an endless loop, or for training in the wrong place."


def check(*questions: str, assignment: str | Path | None = None) -> Checked:
    """Check what this notebook has defined: the named questions ("q1_conv2d", or "q1"), or all of them.

    The assignment is the one in the working folder, as in an unpacked kit, else the one that ships. Raises
    `UsageError` for a question that there is not.
    """
    folder = assignments.find(str(assignment)) if assignment else _here()
    spec = assignments.load(folder)
    return checked(spec, assignments.asked(spec, questions), _names(sys._getframe(1).f_globals))  # noqa: SLF001  # whose names


def _here() -> Path:
    return Path.cwd() if Path("assignment.toml").is_file() else assignments.find(None)


def _names(caller: dict[str, object]) -> Names:
    """The notebook's names; outside of one, those of whoever calls."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell.user_ns if shell else caller


def checked(spec: Assignment, asked: Sequence[Question], names: Names) -> Checked:
    """The public checks of some questions on the objects that are bound to names."""
    cases: list[Case] = []
    crew = Crew(names)
    work = Work(
        assignment=spec,
        reference=None,
        submissions=[Submission("notebook", ())],
        open=lambda submission: Student(submission, spec, crew),
        measure=None,
        began=lambda _: None,
        checked=lambda *_: None,
        decided=lambda *_: None,
        finish=cases.append,
        only=tuple(asked),
    )
    plugin = Plugin(work)
    files = [path for q in asked if (path := spec.checks_folder / f"test_{q.id}.py").is_file()]
    with _left_as_it_was(spec.checks_folder):
        pytest.main([*options(files), *QUIET, "--capture=no"], plugins=[plugin])
    if plugin.fault:
        raise plugin.fault
    results = cases[0].results if cases else {}
    return Checked(tuple(_result(q, results) for q in asked), sum(q.hidden_count for q in asked))


def _result(question: Question, results: Mapping[tuple[str, str], CheckResult]) -> QuestionResult:
    found = tuple(results[question.id, c] for c in question.public_checks if (question.id, c) in results)
    return QuestionResult(id=question.id, title=question.title, checks=found)


@contextlib.contextmanager
def _left_as_it_was(checks: Path) -> Iterator[None]:
    """Random numbers, environment and modules as they were, and nothing of pytest's output."""
    before, environment = set(sys.modules), dict(os.environ)
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()  # type: ignore[no-untyped-call]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ.pop("PYTEST_ADDOPTS", None)
    silence = io.StringIO()
    try:
        with (
            torch.random.fork_rng(devices),
            contextlib.redirect_stdout(silence),
            contextlib.redirect_stderr(silence),
        ):
            yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        for name in set(sys.modules) - before:  # the next check reads the checks anew
            if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == checks:
                del sys.modules[name]


# ---------------------------------------------------------------------------------------------------------- the worker


class Crew:
    """Gives the one worker that there is: this process."""

    def __init__(self, names: Names) -> None:
        self._worker = Here(names)

    def worker(self, *_: object) -> Any:  # a Worker in all that is asked of it, and no process
        """The worker."""
        return self._worker

    def close(self) -> None:
        """Nothing is kept."""


class Here:
    """Answers requests as a worker does, in this process. After an interruption it answers nothing more."""

    alive = True
    output = ""

    def __init__(self, names: Names) -> None:
        self._desk = LiveDesk(names)
        self._interrupted = False

    def ask(self, request: wire.Message, wall_seconds: float) -> wire.Message:  # noqa: ARG002  # the student has a button
        """The reply to a request. Raises `Unanswered` when the student interrupts."""
        if not self._interrupted:
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

    def _load(self, request: wire.Message) -> wire.Message:
        read = {question["id"]: self._read_names(question) for question in request.body["questions"]}
        return wire.Message("loaded", {"questions": read, "problems": [], "notes": [], "tries": []})

    def _again(self, request: wire.Message) -> wire.Message:  # noqa: ARG002  # as Desk
        return wire.Message("refused", {"message": "there is nothing to run beside what the notebook has run"})

    def _answer(self, name: str) -> object:
        return own_copy(self._found[name])

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


def look_up(names: Names, answer: str, aliases: Sequence[str], taken: set[str]) -> tuple[str, str]:
    """The notebook's name for an answer with the rule that chose it, or "" with what to do.

    By its own name, else by the aliases; among several that match one, classes go before functions and these before
    objects. Names in `taken` answer other questions.
    """
    if answer in names:
        return answer, f"{answer} was found under its own name"
    for alias in [re.escape(answer), *aliases]:
        alike = [n for n in _own(names) if n not in taken and re.fullmatch(alias, n, re.IGNORECASE)]
        for kind in (_is_class, _is_function, _is_object):
            same = [n for n in alike if kind(names[n])]
            if len(same) == 1:
                return same[0], f"{same[0]} was taken for {answer}, by its name"
            if same:
                return "", f"{', '.join(same)} could each be {answer}: rename the right one {answer}"
    return (
        "",
        f"nothing is named {answer} or alike here. Run the cell that defines it, or bind your answer to that name",
    )


def _own(names: Names) -> Iterator[str]:
    """The names that the notebook itself has bound to something that may be an answer."""
    for name, value in names.items():
        imported = isinstance(value, ModuleType) or getattr(value, "__module__", None) != names.get("__name__")
        if not (name.startswith("_") or name in IPYTHONS_OWN or (imported and not isinstance(value, nn.Module))):
            yield name


def _is_class(value: object) -> bool:
    return isinstance(value, type)


def _is_function(value: object) -> bool:
    return isinstance(value, Callable) and not isinstance(value, type | nn.Module)  # type: ignore[arg-type]  # an ABC


def _is_object(value: object) -> bool:
    return not _is_class(value) and not _is_function(value)


def own_copy(value: object) -> object:
    """A copy of a layer or network, on the CPU, for a check puts weights into it; anything else as it is."""
    if not isinstance(value, nn.Module):
        return value
    # A result that a layer keeps (`self.out = x`) hangs on its gradient, and torch refuses to copy that as it is.
    kept = [t for m in value.modules() for t in vars(m).values() if isinstance(t, Tensor) and not t.is_leaf]
    return copy.deepcopy(value, {id(t): t.detach().clone() for t in kept}).cpu()
