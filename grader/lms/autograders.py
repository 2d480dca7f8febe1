"""The platforms that run autograders, by name."""

from __future__ import annotations

from grader.lms import on_autolab, on_classroom50, on_gradescope, on_prairielearn, on_submitty, on_vpl
from grader.lms.autograder import Autograder

AUTOGRADERS: dict[str, Autograder] = {
    module.AUTOGRADER.name: module.AUTOGRADER
    for module in (on_gradescope, on_prairielearn, on_autolab, on_classroom50, on_submitty, on_vpl)
}
