"""An autograder for Classroom 50, and for any workflow of GitHub Actions: result.json in the student's checkout.

The bundle is published on the course's pages, where students can download it. So no reference goes along: public checks
are run there, and the grade comes from the course's own machine. Scores are whole numbers there: hundredths of points.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grader.lms import showing, starting
from grader.lms.autograder import Autograder, Kit, Task, replace_file
from grader.lms.state import State, named, said
from grader.model import Verdict
from grader.text import plain

SCHEMA = "classroom50/result/v1"
SCALE = 100  # a point is so many of theirs
ASSETS = "classroom50-release-assets"  # what lies there, its runner adds to the release


def read(root: Path) -> Task:
    """The checkout. A result.json that a student has committed is deleted."""
    (root / "result.json").unlink(missing_ok=True)
    return Task(root, os.environ.get("OWNER") or os.environ.get("USERNAME") or "student")


def write(root: Path, state: State, kit: Kit) -> None:  # noqa: ARG001  # the shape of an autograder
    """Replace result.json, the text of the release, and the page."""
    replace_file(root / "result.json", json.dumps(results(state), allow_nan=False, indent=1) + "\n")
    replace_file(root / "release-body.md", "\n".join(_body(state)) + "\n")
    assets = root / ASSETS
    if assets.is_symlink():  # a checkout holds what a student committed
        assets.unlink()
    replace_file(assets / showing.PAGE, showing.page(state, with_hidden=False))


def results(state: State) -> dict[str, Any]:
    """result.json of version 1; what says whose it is comes from the environment, as Classroom 50 sets it."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    tag = os.environ.get("SUBMISSION_TAG", "")
    commit = _given("COMMIT_URL")
    tests = [_test(named(q, c), c.points, c.max_points, c.verdict is Verdict.PASSED, said(c)) for q, c in _shown(state)]
    tests += [
        _test(q.title, 0, q.max_points, False, state.why) for q in state.card.questions if q.id in state.unfinished
    ]
    return {
        "schema": SCHEMA,
        "classroom": _given("CLASSROOM"),
        "assignment": _given("ASSIGNMENT"),
        "assignment_type": "group" if os.environ.get("ASSIGNMENT_TYPE") == "group" else "individual",
        "owner": os.environ.get("OWNER") or _given("USERNAME"),
        "submission": tag if tag.startswith("submit/") else "submit/unknown",
        "commit": commit,
        "release": _given("RELEASE_URL"),
        "review": os.environ.get("REVIEW_URL") or commit,
        "datetime": now,
        "graded_at": now,
        "score": sum(t["score"] for t in tests),
        "max-score": sum(t["max-score"] for t in tests),
        "tests": tests,
    }


def _given(name: str) -> str:
    return os.environ.get(name) or "unknown"


def _shown(state: State) -> Iterator[Any]:
    return state.shown(with_hidden=False)


def _test(name: str, points: float, most: float, passed: bool, output: str) -> dict[str, Any]:
    """One of the tests; a point is SCALE of theirs."""
    return {
        "test-name": name,
        "passed": passed and points == most,
        "score": round(points * SCALE),
        "max-score": round(most * SCALE),
        "output": output,
    }


def _body(state: State) -> Iterator[str]:
    """The release's text: everything that is not ours stands in a block that Markdown shows as it is."""
    yield "### Public checks"
    yield ""
    yield from (f"    {line}" for line in plain(state.heading(with_hidden=False)).splitlines())
    for question, check in _shown(state):
        yield f"    {check.verdict} {check.points:g}/{check.max_points:g} {named(question, check)}"
        yield from (f"        {line}" for line in said(check).splitlines())


START = f"""\
#!/usr/bin/env python3
\"\"\"Classroom 50 starts this in the student's checkout; the engine lies beside it.\"\"\"

import os
import pathlib
import subprocess
import sys

here = pathlib.Path(os.environ.get("CLASSROOM50_BUNDLE_DIR") or pathlib.Path(__file__).resolve().parent)
root = os.environ.get("AUTOGRADER_ROOT") or os.getcwd()
environment = os.environ | {starting.ENVIRONMENT} | {{"PYTHONPATH": str(here / "engine")}}
command = [os.environ.get("AUTOGRADER_PYTHON", sys.executable), "-P", "-m", "grader.cli", "lms-run", "classroom50"]
result = pathlib.Path(root, "result.json")
result.unlink(missing_ok=True)
subprocess.run([*command, "--root", root, "--package", str(here)], env=environment, check=False)
sys.exit(0 if result.exists() else 1)
"""

WORKFLOW = """\
# For a course without Classroom 50: copy this and the folder autograder/ into the assignment's template repository.
name: public checks
on: [push]
permissions:
  contents: read
jobs:
  check:
    runs-on: ubuntu-latest
    timeout-minutes: 20
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
          cache: pip
          cache-dependency-path: autograder/requirements.txt
      - run: pip install $(cat autograder/pip-options.txt) -r autograder/requirements.txt
      - run: python autograder/autograder.py
      - run: cat release-body.md >> "$GITHUB_STEP_SUMMARY"
      - uses: actions/upload-artifact@v4
        with:
          name: report
          path: classroom50-release-assets/report.html
"""


def scripts(kit: Kit) -> Mapping[str, str]:  # noqa: ARG001  # the shape of an autograder
    """The entry point, and a workflow for a course that uses GitHub Actions alone."""
    return {"autograder/autograder.py": START, "workflow.yml": WORKFLOW}


ADVICE = "Students can download it, so it holds public checks only; grade the class on your own machine."
AUTOGRADER = Autograder(
    "classroom50",
    "Classroom 50 and GitHub Actions",
    600,
    read,
    write,
    scripts,
    ADVICE,
    folder="autograder",
    public=True,
)
