"""A grading that is killed and started again gives what an undisturbed one gives, and does nothing twice."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.interrupted import TARGETS, Course, graded_twice, results

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")]

STUDENTS = 5
MOMENTS = (5, 17)  # events after which somebody is killed: in the first submission, and in a later one
Kill = Callable[[str, int], Path]


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return Course(tmp_path_factory.mktemp("course"), STUDENTS).write()


@pytest.fixture(scope="module")
def undisturbed(course: Course) -> dict[str, Any]:
    assert course.grade(course.folder / "undisturbed") == 0
    return results(course.folder / "undisturbed")


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("target", TARGETS)
def test_after_a_kill_the_same_command_ends_with_the_same_grades(
    course: Course, undisturbed: dict[str, Any], target: str, moment: int
):
    out = course.folder / f"{target}-{moment}"
    assert course.grade_and_kill(out, target, moment)
    assert course.grade(out) == 0
    assert results(out) == undisturbed
    assert graded_twice(out) == []
