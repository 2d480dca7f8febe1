"""The pytest plugin: one session over many submissions.

Theory of operation. pytest collects each check once, and each is run anew for every submission: whose turn it is, the
fixtures are told. The run loop is ours: for a few submissions at a time it runs the checks that need no training,
starts the trainings that the others need, and runs those when their numbers are there, so that layers are judged while
networks train. The plugin is passed to pytest.main; it is never an entry point.
"""

from __future__ import annotations

import os
from collections.abc import Container
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import pytest

from grader.assignment import CheckSpec, Question
from grader.errors import AssignmentError, GraderError
from grader.judge.case import Case, CheckKey, Work
from grader.judge.fixtures import Fixtures, Turn
from grader.judge.memory import Memory
from grader.judge.outcomes import Outcome, badness, read_off, settle
from grader.judge.running import Alarm, run
from grader.model import Submission, Verdict, Visibility

SLOW_FIXTURES = frozenset({"trained", "one_batch"})
WINDOW = 4  # submissions in flight: enough to keep the trainers busy, few enough to keep their networks in memory


@dataclass(frozen=True)
class Check:
    """A collected check: whose question it is, what it is called, and whether it waits for a training."""

    item: pytest.Item
    question: Question
    id: str
    title: str
    requires: tuple[str, ...]
    slow: bool


class Plugin:
    """Collects, runs and reads off the checks of one session."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._fixtures = Fixtures(work)
        self._memory = Memory()
        self._alarm = Alarm()
        self._questions = {q.id: q for q in work.only or work.assignment.questions}
        self._checks: dict[pytest.Item, Check] = {}
        self.collection_faults: list[str] = []
        self.fault: GraderError | None = None

    # ---------------------------------------------------------------------------------------------------- collection

    def pytest_configure(self, config: pytest.Config) -> None:
        """Declare the marker and the fixtures."""
        config.addinivalue_line("markers", "requires(check): SKIPPED unless that check of the question passed")
        config.pluginmanager.register(self._fixtures)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Remember what could not be collected: its checks become INTERNAL."""
        if report.failed:
            self.collection_faults.append(f"{report.nodeid}: {str(report.longrepr)[-2000:]}")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """In the assignment's order; a check without points in assignment.toml ends the session."""
        order = {
            (q.id, check): (i, j)
            for i, q in enumerate(self._work.assignment.questions)
            for j, check in enumerate(q.checks)
        }
        known = [item for item in items if _question_id(item) in self._questions]
        for item in known:
            if _key(item) not in order:
                question, check = _key(item)
                self.fault = AssignmentError(
                    f"{item.path} has {check}, which assignment.toml does not list for {question}."
                )
                raise pytest.UsageError(str(self.fault))
        items[:] = sorted(known, key=lambda item: order[_key(item)])
        self._checks = {item: self._check(item) for item in items}

    def _check(self, item: pytest.Item) -> Check:
        requires = tuple(marker.args[0] for marker in item.iter_markers("requires"))
        slow = bool(SLOW_FIXTURES & set(item.fixturenames))  # type: ignore[attr-defined]  # a Function
        return Check(item, self._questions[_question_id(item)], _check_id(item), _title(item), requires, slow)

    # ----------------------------------------------------------------------------------------------------------- run

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> bool:
        """Quick checks first, trainings meanwhile, then the checks that need them."""
        quick = [check for check in self._checks.values() if not check.slow]
        slow = [check for check in self._checks.values() if check.slow]
        with self._alarm:
            self._judge_all(quick, slow)
        return True

    def _judge_all(self, quick: list[Check], slow: list[Check]) -> None:
        flying: list[Case] = []
        for submission in self._work.deal() if self._work.deal else self._work.submissions:
            case = self._begin(submission)
            later = self._later(case, slow)
            self._run(case, quick, later)
            if later and self._work.measure:
                case.measured = self._work.measure(case.student)
            flying.append(case)
            self._land(flying, slow, most=WINDOW)
        self._land(flying, slow, most=0)

    def _begin(self, submission: Submission) -> Case:
        self._work.began(submission)
        finished = dict(self._work.finished.get(submission.student_id, {}))
        case = Case(submission, self._work.open(submission), judged=finished)
        for question in self._work.assignment.questions:
            if question.id in finished:
                case.student.done(question)
        return case

    def _later(self, case: Case, slow: list[Check]) -> set[str]:
        """The unfinished questions that are finished only when their training is; practice needs no check for that."""
        questions = {check.question.id for check in slow}
        if self._work.measure and (questions or self._work.reference is None):
            questions |= {q.id for q in self._questions.values() if q.network}
        return questions - set(case.judged)

    def _run(self, case: Case, checks: list[Check], later: Container[str] = ()) -> None:
        """Run checks of unfinished questions; a question is decided after its last one, unless that comes later."""
        checks = [check for check in checks if check.question.id not in case.judged]
        for check, following in zip_longest(checks, checks[1:]):
            self._check_it(case, check, following)
            question = check.question
            if question.id not in later and (following is None or following.question is not question):
                self._decide(case, question)

    def _check_it(self, case: Case, check: Check, following: Check | None) -> None:
        """Run one check on a case, and read off how it ended."""
        self._fixtures.turn = Turn(case, check.question, check.id, check.requires)
        for error, seconds in run(check.item, following.item if following else None, self._alarm):
            outcome = read_off(error, case.award, seconds, case.student, check.question)
            self._record(case, check.question, check.id, check.title, outcome)

    def _decide(self, case: Case, question: Question) -> None:
        """Nothing more is checked of this question: what did not run is INTERNAL."""
        for check, spec in question.checks.items():
            if (question.id, check) not in case.results and self._expected_here(spec):
                why = "; ".join(self.collection_faults) or "pytest did not collect it"
                self._record(case, question, check, check, Outcome(Verdict.INTERNAL, f"The check did not run: {why}"))
        settle(case, question)
        self._work.decided(case, question)

    def _land(self, flying: list[Case], slow: list[Check], most: int) -> None:
        """Finish cases until at most `most` are in flight; those whose numbers are there first."""
        while ready := _ready(flying, block=len(flying) > most):
            for case in ready:
                self._run(case, slow)
                flying.remove(case)
                self._finish(case)

    def _finish(self, case: Case) -> None:
        for question in self._questions.values():
            if question.id not in case.judged:
                self._decide(case, question)
        self._work.finish(case)
        if case.measured:
            self._memory.finished()

    def _expected_here(self, spec: CheckSpec) -> bool:
        """Hidden checks are there only with the reference."""
        return spec.visibility is Visibility.PUBLIC or self._work.reference is not None

    def _record(self, case: Case, question: Question, check: str, title: str, outcome: Outcome) -> None:
        case.award = None
        result = outcome.result(check, title, question.checks[check])
        result = max(case.results.get((question.id, check), result), result, key=badness)
        case.results[question.id, check] = result
        self._work.checked(case.submission, result)


def _ready(flying: list[Case], *, block: bool) -> list[Case]:
    """The cases with nothing left to wait for; with `block`, at least one."""
    waiting = [case.measured for case in flying if case.measured is not None]
    if block and len(waiting) == len(flying) and waiting:
        wait(waiting, return_when=FIRST_COMPLETED)
    return [case for case in flying if case.measured is None or case.measured.done()]


def _question_id(item: pytest.Item) -> str:
    return Path(item.path).stem.removeprefix("test_")


def _check_id(item: pytest.Item) -> str:
    return str(item.originalname)  # type: ignore[attr-defined]  # every item is a Function


def _key(item: pytest.Item) -> CheckKey:
    return _question_id(item), _check_id(item)


def _title(item: pytest.Item) -> str:
    function = item.function  # type: ignore[attr-defined]  # every item is a Function
    return (function.__doc__ or "").strip().partition("\n")[0] or _check_id(item)


UNUSED = "capture terminal cacheprovider logging skipping warnings unraisableexception threadexception".split()


def options(folders: list[Path]) -> list[str]:
    """pytest's arguments: the checks' folders, or files, and nothing of the machine's own configuration or plugins.

    Of pytest's own plugins, those that wrap every phase of every check are left out: they took a third of its time. So
    is the one that reports, to nobody here, and keeps every report for its summary. Without a folder to cut at, pytest
    would look at all that lies beside the checks' folders and beside those that these lie in.
    """
    fixed = ["--import-mode=importlib", "--assert=plain", "--continue-on-collection-errors", "--noconftest"]
    for plugin in UNUSED:
        fixed += ["-p", f"no:{plugin}"]
    cut = folders[0] if folders[0].is_dir() else folders[0].parent
    return [*fixed, "-c", os.devnull, f"--confcutdir={cut}", *map(str, folders)]
