"""A grading that is killed and started again gives what an undisturbed one gives, and does nothing twice."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tests.interrupted import Course, graded_twice, results

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")]

STUDENTS = 10  # starting costs most: more students cost little, and leave something to kill
# Who is killed after how many events (of 12 a submission): what the coordinator outlives, and then the coordinator
# itself, so that the next start finds what all of them left. One kill at a time is in benchmarks/resume.py.
KILLS = [{3: "zygote", 20: "worker", 50: "coordinator"}, {7: "judge"}]


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return Course(tmp_path_factory.mktemp("course"), STUDENTS).write()


@pytest.fixture(scope="module")
def undisturbed(course: Course) -> dict[str, Any]:
    assert course.grade(course.folder / "undisturbed") == 0
    return results(course.folder / "undisturbed")


@pytest.mark.parametrize("kills", KILLS, ids=lambda kills: "-".join(kills.values()))
def test_after_kills_the_same_command_ends_with_the_same_grades(
    course: Course, undisturbed: dict[str, Any], kills: dict[int, str]
):
    out = course.folder / "-".join(kills.values())
    assert course.grade_and_kill(out, kills) == list(kills.values())
    assert course.grade(out) == 0
    assert results(out) == undisturbed
    assert graded_twice(out) == []
