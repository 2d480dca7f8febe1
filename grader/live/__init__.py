"""`from grader import check` in a notebook: public checks of the objects that are defined there, without a process.

Theory of operation. The checks, the plugin that runs them and the code that runs an answer are those of `grader check`;
only the worker is another: it stands in the notebook's own process and finds an answer by its name among the notebook's
names. There is nobody to protect here, for it is the student's code in the student's process, and no answer is near. So
nothing is shut in and nothing has a time limit: the stop button ends what takes too long.

The notebook is left as it was: layers and networks are copied before weights are put into them, torch's random numbers
go on where they were, and messages go through the wire format, so that a check's tensors cannot be changed. What the
student's code prints is shown; what pytest prints is not.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
import torch

from grader import assignment as assignments
from grader.assignment import Assignment, Question
from grader.errors import AssignmentError, UsageError
from grader.judge.case import Case, Work
from grader.judge.plugin import Plugin, options
from grader.live.here import Crew, shell
from grader.live.inline import Checked
from grader.live.names import Names
from grader.model import CheckResult, QuestionResult, Submission
from grader.report import phrases
from grader.report.wording import LANGUAGES
from grader.student import Student

WITHOUT = ["-p", "no:faulthandler"]  # it wants a stderr that is a file, which a notebook's is not
RAN = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)


def check(*questions: str, assignment: str | Path | None = None, lang: str = "") -> Checked:
    """Check what this notebook has defined: the named questions ("q1_conv2d", or "q1"), or all of them.

    The assignment is the one in the working folder, as in an unpacked kit, else the one that ships. Messages are in
    `lang` ("en", "zh-TW"), else in the assignment's language. Raises `UsageError` for a question or a language that
    there is not.
    """
    if lang and lang not in LANGUAGES:
        raise UsageError(f"there is no language {lang!r}: wanted {' or '.join(map(repr, LANGUAGES))}.")
    folder = assignments.find(str(assignment)) if assignment else _here()
    spec = assignments.load(folder)
    names = _names(sys._getframe(1).f_globals)  # noqa: SLF001  # whose names
    return checked(spec, assignments.asked(spec, questions), names, lang or spec.language)


def _here() -> Path:
    return Path.cwd() if Path("assignment.toml").is_file() else assignments.find(None)


def _names(caller: dict[str, object]) -> Names:
    """The notebook's names; outside of one, those of whoever calls."""
    notebook = shell()
    return notebook.user_ns if notebook else caller


def checked(spec: Assignment, asked: Sequence[Question], names: Names, lang: str = "en") -> Checked:
    """The public checks of some questions on the objects that are bound to names, told in a language."""
    results = _results(spec, asked, names)
    say = phrases.of(lang, spec.id, (spec.folder,))
    found = tuple(phrases.question(_result(q, results), say) for q in asked)
    return Checked(found, sum(q.hidden_count for q in asked), lang)


def _results(spec: Assignment, asked: Sequence[Question], names: Names) -> Mapping[tuple[str, str], CheckResult]:
    """How the checks ended, by question and check. Raises `AssignmentError` where they cannot be run."""
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
        code = pytest.main([*options(files), *WITHOUT], plugins=[plugin])
    if plugin.fault:
        raise plugin.fault
    if code not in RAN:
        raise AssignmentError(f"pytest could not run the public checks of {spec.id} ({pytest.ExitCode(code).name}).")
    return cases[0].results if cases else {}


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
