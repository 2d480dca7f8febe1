"""What a gradebook says about a class."""

from dataclasses import replace

import pytest
from scipy import stats

from grader.model import CheckResult, Difference, QuestionResult, Scorecard, Verdict, Visibility
from grader.report import failures, items, networks, summary
from tests import gradebooks


def test_the_maximum_is_in_the_last_part_of_a_histogram() -> None:
    assert summary.histogram([0, 4.9, 5, 10], 10, bins=2) == [2, 2]


def test_a_histogram_without_points_to_reach_has_everybody_in_the_first_part() -> None:
    assert summary.histogram([0, 0], 0, bins=3) == [2, 0, 0]


def test_the_most_urgent_verdict_stands_for_a_student() -> None:
    card = gradebooks.failing("ada", Verdict.PASSED, Verdict.FAILED, Verdict.INTERNAL, Verdict.UNGRADED)
    assert summary.worst(card.checks) is Verdict.INTERNAL
    assert summary.worst([]) is None


def test_what_waits_for_a_person_is_not_counted_as_judged() -> None:
    card = gradebooks.failing("ada", Verdict.PASSED, Verdict.FAILED, Verdict.INTERNAL, Verdict.UNGRADED)
    hidden = sum(c.visibility is Visibility.HIDDEN for c in card.checks if c.verdict is not Verdict.UNGRADED)
    assert summary.tally(card.checks) == summary.Tally(judged=3, passed=1, hidden=hidden)


def test_urgency_orders_every_verdict() -> None:
    assert sorted(summary.URGENCY) == sorted(Verdict)


def test_equal_outcomes_are_one_failure() -> None:
    rows = [gradebooks.check(v, f"check {i}", message=m) for i, (v, m) in enumerate([
        (Verdict.FAILED, "same"), (Verdict.FAILED, "same"), (Verdict.FAILED, "other"), (Verdict.PASSED, ""),
        (Verdict.UNGRADED, ""),
    ])]  # fmt: skip
    found = failures.failures(QuestionResult(id="q1", title="Q1", checks=tuple(rows)))
    assert [(f.message, len(f.checks), f.max_points) for f in found] == [("same", 2, 4), ("other", 1, 2)]


def test_messages_that_differ_in_numbers_are_one_case() -> None:
    card = gradebooks.failing("ada", Verdict.CRASHED)
    messages = ("exit code 9", "exit code 11", "killed")
    checks = [gradebooks.check(Verdict.CRASHED, "check 0", message=m) for m in messages]
    questions = [card.questions[0].model_copy(update={"checks": (c,)}) for c in checks]
    cards = [card.model_copy(update={"student_id": str(i), "questions": (q,)}) for i, q in enumerate(questions)]
    found = [(c.message, [student for student, _ in c.students]) for c in summary.cases(cards, summary.STOPPED)]
    assert found == [("exit code 9", ["0", "1"]), ("killed", ["2"])]


def test_explanations_wait_beside_their_rubric() -> None:
    book = gradebooks.gradebook(3)
    found = summary.waiting(book)
    assert [w.question_id for w in found] == ["q1_conv2d", "q3_maxpool"]
    assert found[0].rubric == gradebooks.RUBRICS["q1_conv2d"]
    assert [student for student, _ in found[0].texts] == [s.student_id for s in book.scorecards]


def test_a_fault_of_the_harness_does_not_make_a_check_look_hard() -> None:
    cards = [gradebooks.failing(str(i), v) for i, v in enumerate((Verdict.PASSED, Verdict.INTERNAL, Verdict.SKIPPED))]
    (check,) = items.checks(cards)
    assert (check.passed, check.judged, check.failed) == (1, 1, 0)


def test_the_check_that_fails_most_comes_first() -> None:
    failed = [c.failed for c in items.checks(gradebooks.gradebook(30).scorecards)]
    assert failed == sorted(failed, reverse=True)
    assert failed[0] > failed[-1]


def test_discrimination_is_the_point_biserial_correlation() -> None:
    passed, rest = [True] * 7 + [False] * 5, [9.0, 8, 7, 9, 4, 6, 8, 3, 5, 2, 7, 1]
    wanted = stats.pearsonr([float(p) for p in passed], rest)
    interval = wanted.confidence_interval(0.95)
    assert items.discrimination(passed, rest) == pytest.approx((wanted.statistic, interval.low, interval.high))


@pytest.mark.parametrize(("passed", "rest"), [([True] * 12, range(12)), ([True, False] * 6, [3] * 12), ([True], [1])])
def test_discrimination_is_left_out_where_it_cannot_be_told(passed: list[bool], rest: list[float]) -> None:
    assert items.discrimination(passed, list(rest)) is None


def test_only_baselines_that_everybody_shares_are_drawn_for_the_class() -> None:
    lenet, efficientnet = networks.networks(gradebooks.gradebook(5).scorecards)
    assert [b.title for b in lenet.baselines] == ["week 8 network"]
    assert [b.title for b in efficientnet.baselines] == ["week 8 network"]
    assert len(efficientnet.students) == 5


def test_an_empty_class_has_no_totals() -> None:
    assert summary.totals([]) is None
    assert summary.questions([]) == []


def test_wrong_answers_of_one_shape_are_one_and_the_usual_ones_come_first() -> None:
    shapes = [Difference(found_shape=(2, n), wanted_shape=(2, 4)) for n in (3, 5, 5)]
    wrong = [gradebooks.check(Verdict.FAILED, message=f"shape {d.found_shape}", difference=d) for d in shapes]
    cards = [one(c) for c in (*wrong, gradebooks.check(Verdict.FAILED, message="no shape"))]
    assert items.checks(cards)[0].answers == (("shape (2, 5)", 2),)


def one(check: CheckResult) -> Scorecard:
    question = QuestionResult(id="q1", title="Q1", checks=(check,))
    return gradebooks.scorecard(models=False).model_copy(update={"questions": (question,)})


def test_one_network_is_one_dot_however_many_handed_it_in() -> None:
    nets = [
        gradebooks.model("q6", "LeNet", [0.5] * 10, fingerprint=f, flops=n) for f, n in (("a", 7), ("a", 7), ("b", 0))
    ]
    cards = [
        gradebooks.scorecard(s, models=False).model_copy(update={"models": (n,)})
        for s, n in zip("xyz", nets, strict=True)
    ]
    (found,) = networks.networks(cards)
    assert [d.title for d in found.students] == ["x, y", "z"]
    assert [(d.title, d.size) for d in found.students_flops] == [("x, y", 7)]


def test_a_check_that_nobody_passes_or_that_the_better_fail_is_to_be_looked_at() -> None:
    passed, failed = (gradebooks.check(v) for v in (Verdict.PASSED, Verdict.FAILED))
    assert items.checks([one(failed), one(failed)])[0].suspect
    assert not items.checks([one(failed), one(passed)])[0].suspect
    (found,) = items.checks([one(failed)])
    assert [replace(found, passed=1, discrimination=(r, -0.6, 0.6)).suspect for r in (-0.1, 0.1)] == [True, False]


def test_checks_that_fail_alike_for_the_same_students_are_one() -> None:
    def card(student: str, *messages: str) -> Scorecard:
        checks = [gradebooks.check(Verdict.MISSING, f"check {i}", message=m) for i, m in enumerate(messages)]
        questions = (QuestionResult(id="q1", title="Q1", checks=tuple(checks)),)
        return gradebooks.scorecard(student, models=False).model_copy(update={"questions": questions})

    found = items.checks([card("a", "no relu", "no relu", "no relu"), card("b", "gone", "gone", "other")])
    assert [(c.title, c.alike) for c in found] == [("check 0", ("check 1",)), ("check 2", ())]


def test_each_question_has_its_verdicts() -> None:
    cards = [one(gradebooks.check(v)) for v in (Verdict.PASSED, Verdict.FAILED, Verdict.PASSED)]
    assert summary.questions(cards)[0].verdicts == ((Verdict.FAILED, 1), (Verdict.PASSED, 2))
