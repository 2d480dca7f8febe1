"""The pytest plugin: fixtures for checks, and one session over many submissions.

Theory of operation. pytest collects each check once per submission. The run loop is ours: for a few submissions at a
time it runs the checks that need no training, starts the trainings that the others need, and runs those when their
numbers are there, so that layers are judged while networks train. A check's outcome is read off the exception that
ended it: an AssertionError is the student's wrong answer, an `Unanswered` says why there is none, and anything else is
a fault of ours (INTERNAL). The plugin is passed to pytest.main; it is never an entry point.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import pytest
from safetensors.torch import load_file
from torch import Tensor

from grader.assignment import Assignment, CheckSpec, Question
from grader.compare import Mismatch
from grader.errors import AssignmentError, GraderError
from grader.measurement import Measured, Trained
from grader.model import CheckResult, Difference, Judged, Submission, Verdict, Visibility, Window
from grader.processes.process import Unanswered
from grader.reference import Reference
from grader.student import Student

SLOW_FIXTURES = frozenset({"trained", "one_batch"})
WINDOW = 4  # submissions in flight: enough to keep the trainers busy, few enough to keep their networks in memory

CheckKey = tuple[str, str]
"""A check's question id and its own id."""


@dataclass
class Case:
    """One submission while it is judged: what a check sees of it, the results so far, and the finished questions."""

    submission: Submission
    student: Student
    results: dict[CheckKey, CheckResult] = field(default_factory=dict)
    measured: Future[dict[str, Measured]] | None = None
    award: tuple[float, str] | None = None
    judged: dict[str, Judged] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)


@dataclass(frozen=True)
class Work:
    """What the session is given. `measure` starts the trainings of a student; `finish` takes a judged case.

    `decided` hears of each question of which nothing is left to be checked, and puts it among the case's `judged`.
    `finished` are the questions, by student, that need not be run: they are among them from the start.
    `only` are the questions that are run; none means all. `deal` gives those of the `submissions` that are this
    session's, one by one, for other judges may have the others; without it all are.
    """

    assignment: Assignment
    reference: Reference | None
    submissions: list[Submission]
    open: Callable[[Submission], Student]
    measure: Callable[[Student], Future[dict[str, Measured]]] | None
    began: Callable[[Submission], None]
    checked: Callable[[Submission, CheckResult], None]
    decided: Callable[[Case, Question], None]
    finish: Callable[[Case], None]
    only: tuple[Question, ...] = ()
    finished: Mapping[str, Mapping[str, Judged]] = field(default_factory=dict)
    deal: Callable[[], Iterable[Submission]] | None = None


@dataclass(frozen=True)
class Found:
    """What else there is to say of an answer: its name, where it differs, and what slides over what."""

    answer: str = ""
    difference: Difference | None = None
    window: Window | None = None


NOTHING = Found()


class Plugin:
    """Collects, runs and reads off the checks of one session."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._cases: dict[str, Case] = {}
        self._questions = {q.id: q for q in work.only or work.assignment.questions}
        self.collection_faults: list[str] = []
        self.fault: GraderError | None = None

    # ---------------------------------------------------------------------------------------------------- collection

    def pytest_configure(self, config: pytest.Config) -> None:
        """Declare the marker."""
        config.addinivalue_line("markers", "requires(check): SKIPPED unless that check of the question passed")

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Every check, once per submission."""
        metafunc.fixturenames.append("case")
        ids = [s.student_id for s in self._work.submissions]
        metafunc.parametrize("case", ids, indirect=True, ids=[f"s{i}" for i in range(len(ids))])

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

    # ----------------------------------------------------------------------------------------------------------- run

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Quick checks first, trainings meanwhile, then the checks that need them."""
        quick, slow = self._by_submission(session.items)
        flying: list[Case] = []
        for submission in self._work.deal() if self._work.deal else self._work.submissions:
            case = self._begin(submission)
            later = self._later(case, slow.get(submission.student_id, []))
            self._run(case, quick.get(submission.student_id, []), later)
            if later and self._work.measure:
                case.measured = self._work.measure(case.student)
            flying.append(case)
            self._land(flying, slow, most=WINDOW)
        self._land(flying, slow, most=0)
        return True

    def _by_submission(self, items: list[pytest.Item]) -> tuple[dict[str, list[pytest.Item]], ...]:
        quick: dict[str, list[pytest.Item]] = {}
        slow: dict[str, list[pytest.Item]] = {}
        for item in items:
            pile = slow if SLOW_FIXTURES & set(item.fixturenames) else quick  # type: ignore[attr-defined]  # a Function
            pile.setdefault(_student_id(item), []).append(item)
        return quick, slow

    def _begin(self, submission: Submission) -> Case:
        self._work.began(submission)
        finished = dict(self._work.finished.get(submission.student_id, {}))
        case = self._cases[submission.student_id] = Case(submission, self._work.open(submission), judged=finished)
        for question in self._work.assignment.questions:
            if question.id in finished:
                case.student.done(question)
        return case

    def _later(self, case: Case, slow: list[pytest.Item]) -> set[str]:
        """The unfinished questions that are finished only when their training is; practice needs no check for that."""
        questions = {_question_id(item) for item in slow}
        if self._work.measure and (questions or self._work.reference is None):
            questions |= {q.id for q in self._questions.values() if q.network}
        return questions - set(case.judged)

    def _run(self, case: Case, items: list[pytest.Item], later: Container[str] = ()) -> None:
        """Run checks of unfinished questions; a question is decided after its last one, unless that comes later."""
        items = [item for item in items if _question_id(item) not in case.judged]
        for item, following in zip_longest(items, items[1:]):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            question = _question_id(item)
            if question not in later and (following is None or _question_id(following) != question):
                self._decide(case, self._questions[question])

    def _decide(self, case: Case, question: Question) -> None:
        """Nothing more is checked of this question: what did not run is INTERNAL."""
        for check, spec in question.checks.items():
            if (question.id, check) not in case.results and self._expected_here(spec):
                why = "; ".join(self.collection_faults) or "pytest did not collect it"
                self._record(case, question, check, check, Verdict.INTERNAL, f"The check did not run: {why}")
        self._settle(case, question)
        self._work.decided(case, question)

    def _land(self, flying: list[Case], slow: dict[str, list[pytest.Item]], most: int) -> None:
        """Finish cases until at most `most` are in flight; those whose numbers are there first."""
        while ready := _ready(flying, block=len(flying) > most):
            for case in ready:
                self._run(case, slow.get(case.submission.student_id, []))
                flying.remove(case)
                self._finish(case)

    def _finish(self, case: Case) -> None:
        for question in self._questions.values():
            if question.id not in case.judged:
                self._decide(case, question)
        self._work.finish(case)
        del self._cases[case.submission.student_id]

    def _settle(self, case: Case, question: Question) -> None:
        """What waits for a person, because a network has no graph, waits only if it trains without one."""
        lacking = case.student.without_graph(question)
        why = case.measured.result()[question.id].untrainable() if case.measured and lacking else None
        if lacking is None or why is None:
            return
        message = (
            f"{lacking.name} cannot be written down as a graph, and does not train without one: {lacking.reason} {why}"
        )
        for check in question.checks:
            result = case.results.get((question.id, check))
            if result and result.verdict is Verdict.UNGRADED:
                failed = {"verdict": Verdict.FAILED, "message": message}
                case.results[question.id, check] = result.model_copy(update=failed)

    def _expected_here(self, spec: CheckSpec) -> bool:
        """Hidden checks are there only with the reference."""
        return spec.visibility is Visibility.PUBLIC or self._work.reference is not None

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self) -> Iterator[None]:
        """A check may end itself, not the session."""
        try:
            return (yield)
        except (pytest.exit.Exception, KeyboardInterrupt) as e:
            raise RuntimeError(f"the check raised {type(e).__name__}") from e

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> pytest.TestReport:
        """Read the verdict off the phase that ended the check; pytest is told no more than whether it passed.

        Its own report would format a traceback of the judge's side for every failed check, which nobody reads.
        """
        if call.when == "call" or call.excinfo is not None:
            self._read_off(item, call)
        assert call.when != "collect"  # noqa: S101  # pytest has another hook for that
        return pytest.TestReport(
            nodeid=item.nodeid,
            location=item.location,
            keywords={},
            outcome="failed" if call.excinfo else "passed",
            longrepr=None,
            when=call.when,
            duration=call.duration,
            start=call.start,
            stop=call.stop,
        )

    def _read_off(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        case, question = self._cases[_student_id(item)], self._questions[_question_id(item)]
        error = call.excinfo.value if call.excinfo else None
        verdict, message, detail = _verdict(error)
        fraction = 1.0
        if case.award is not None and verdict is Verdict.PASSED:
            fraction, message = case.award
            verdict = Verdict.PASSED if fraction > 0 else Verdict.FAILED
        found = _found(case.student, question, error)
        self._record(
            case, question, _check_id(item), _title(item), verdict, message, detail, fraction, call.duration, found
        )

    def _record(
        self,
        case: Case,
        question: Question,
        check: str,
        title: str,
        verdict: Verdict,
        message: str,
        detail: str = "",
        fraction: float = 1.0,
        seconds: float = 0.0,
        found: Found = NOTHING,
    ) -> None:
        spec = question.checks[check]
        case.award = None
        result = CheckResult(
            id=check,
            title=title,
            visibility=spec.visibility,
            verdict=verdict,
            points=round(spec.points * fraction, 2) if verdict is Verdict.PASSED else 0.0,
            max_points=spec.points,
            message=message,
            detail=detail,
            seconds=seconds,
            answer=found.answer,
            difference=_shown(found.difference, spec.visibility),
            window=found.window if verdict is Verdict.FAILED else None,
        )
        result = max(case.results.get((question.id, check), result), result, key=_badness)
        case.results[question.id, check] = result
        self._work.checked(case.submission, result)

    # ------------------------------------------------------------------------------------------------------ fixtures

    @pytest.fixture
    def case(self, request: pytest.FixtureRequest) -> Case:
        """The submission that this check is run on; SKIPPED when a check that it requires did not pass."""
        case = self._cases[request.param]
        case.student.asked = None
        for marker in request.node.iter_markers("requires"):
            _require(case, _question_id(request.node), marker.args[0])
        return case

    @pytest.fixture
    def student(self, case: Case) -> Student:
        """What was handed in, as names that can be run."""
        if case.submission.problem:
            raise Unanswered(Verdict.MISSING, case.submission.problem)
        return case.student

    @pytest.fixture
    def reference(self) -> Reference:
        """The solutions; only where they are."""
        if self._work.reference is None:
            raise AssignmentError("a public check may not ask for the reference.")
        return self._work.reference

    @pytest.fixture(scope="session")
    def expected(self) -> dict[str, Tensor]:
        """The public expected tensors."""
        path = self._work.assignment.folder / "expected.safetensors"
        return load_file(path)

    @pytest.fixture
    def seed(self, request: pytest.FixtureRequest, case: Case) -> int:
        """The public seed in public checks; one of its own for each submission in hidden ones."""
        question = self._questions[_question_id(request.node)]
        hidden = question.checks[_check_id(request.node)].visibility is Visibility.HIDDEN
        if hidden and self._work.reference:
            return self._work.reference.seed(case.submission.digest, question.id)
        return self._work.assignment.seeds.public

    @pytest.fixture
    def trained(self, request: pytest.FixtureRequest, case: Case) -> Trained:
        """What training gave of the question's network, and of the reference's."""
        return self._measured(request, case).trained()

    @pytest.fixture
    def one_batch(self, request: pytest.FixtureRequest, case: Case) -> tuple[float, ...]:
        """The losses of training on one batch."""
        return self._measured(request, case).one_batch()

    def _measured(self, request: pytest.FixtureRequest, case: Case) -> Measured:
        if case.submission.problem:
            raise Unanswered(Verdict.MISSING, case.submission.problem)
        if case.measured is None:
            raise Unanswered(Verdict.UNGRADED, "Graded later, where networks are trained.")
        return case.measured.result()[_question_id(request.node)]

    @pytest.fixture
    def award(self, case: Case) -> Callable[[float, str], None]:
        """Give a check that otherwise passes a fraction of its points, and say why."""

        def award(fraction: float, message: str) -> None:
            case.award = (min(max(fraction, 0.0), 1.0), message)

        return award


def _ready(flying: list[Case], *, block: bool) -> list[Case]:
    """The cases with nothing left to wait for; with `block`, at least one."""
    waiting = [case.measured for case in flying if case.measured is not None]
    if block and len(waiting) == len(flying) and waiting:
        wait(waiting, return_when=FIRST_COMPLETED)
    return [case for case in flying if case.measured is None or case.measured.done()]


def _verdict(error: BaseException | None) -> tuple[Verdict, str, str]:
    """What the exception that ended a check says."""
    if error is None:
        return Verdict.PASSED, "", ""
    if isinstance(error, Unanswered):
        return error.verdict, str(error), error.detail
    if isinstance(error, AssertionError):
        return Verdict.FAILED, str(error) or "The check's condition does not hold.", ""
    return Verdict.INTERNAL, f"The harness failed here, at no cost to you ({type(error).__name__}: {error}).", ""


def _found(student: Student, question: Question, error: BaseException | None) -> Found:
    """Which answer a check ran, what slid over what, and where it differs."""
    difference = error.difference if isinstance(error, Mismatch) else None
    if student.asked is None:
        return Found(difference=difference)
    name, shape = student.asked
    window = next((a.window for a in question.answers if a.name == name), None)
    if window and len(shape) >= 2:
        window = window.model_copy(update={"plane": shape[-2:]})
    return Found(name, difference, window)


def _shown(difference: Difference | None, visibility: Visibility) -> Difference | None:
    """A hidden check's picture has no numbers beside it."""
    if difference and visibility is Visibility.HIDDEN:
        return difference.model_copy(update={"largest": None})
    return difference


def _badness(result: CheckResult) -> tuple[bool, bool, float]:
    """Orders results: of a check with several (it has parameters, or fails while it tidies up) the worst counts."""
    return result.verdict is Verdict.INTERNAL, result.verdict is not Verdict.PASSED, -result.points


def _require(case: Case, question: str, check: str) -> None:
    """End the check unless another of its question has passed."""
    result = case.results.get((question, check))
    if result is None:
        raise AssignmentError(f"{question}: {check} is required before it has run.")
    if result.verdict is Verdict.INTERNAL:
        raise AssignmentError(f"{check}, on which this depends, could not be judged.")
    if result.verdict is Verdict.MISSING:  # there is nothing else to say of what is not there
        raise Unanswered(Verdict.MISSING, result.message)
    if result.verdict is Verdict.UNGRADED:
        raise Unanswered(Verdict.UNGRADED, result.message)
    if result.verdict is not Verdict.PASSED:
        raise Unanswered(Verdict.SKIPPED, f"Not run, because this did not pass: {result.title} Mend that first.")


def _question_id(item: pytest.Item) -> str:
    return Path(item.path).stem.removeprefix("test_")


def _check_id(item: pytest.Item) -> str:
    return str(item.originalname)  # type: ignore[attr-defined]  # every item is a Function


def _key(item: pytest.Item) -> CheckKey:
    return _question_id(item), _check_id(item)


def _student_id(item: pytest.Item) -> str:
    return str(item.callspec.params["case"])  # type: ignore[attr-defined]  # every item is parametrised


def _title(item: pytest.Item) -> str:
    function = item.function  # type: ignore[attr-defined]  # every item is a Function
    return (function.__doc__ or "").strip().partition("\n")[0] or _check_id(item)


def options(folders: list[Path]) -> list[str]:
    """pytest's arguments: the checks' folders and nothing of the machine's own configuration or plugins.

    Of pytest's own plugins, those that wrap every phase of every check are left out: they took a third of its time.
    """
    fixed = ["--import-mode=importlib", "--assert=plain", "--continue-on-collection-errors", "--noconftest", "-qq"]
    fixed += ["--tb=no", "--capture=no"]
    for plugin in ("cacheprovider", "logging", "skipping", "warnings", "unraisableexception", "threadexception"):
        fixed += ["-p", f"no:{plugin}"]
    return [*fixed, "-c", os.devnull, *map(str, folders)]
