"""An autograder for Submitty: config.json with one test case, and a validator of its own that grades.

The submission lies in the test case's folder beside what the test case made; `custom_validator_input.json` says which
that is and whose. What a validator prints would be taken for its result, so nothing is printed: the result is a file.

Validators run in Submitty's own jail on its grading machine, whatever container the test case ran in
(autograder/grade_item.py): so that machine needs the packages. The jail limits time, processes and the size of files
(grading/execute_limits.cpp, whose most is used here), and kills at a system call that is not on its list.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from grader.lms import showing, starting
from grader.lms.autograder import Autograder, Kit, Task, replace_file
from grader.lms.state import State, named, said
from grader.model import CheckResult, Verdict
from grader.text import plain

INPUT, RESULT, WHEN = "custom_validator_input.json", "validation_results.json", ".submit.timestamp"


def read(root: Path) -> Task:
    """The folder of the test case, and whose it is; when it was handed in is told where Submitty has copied that."""
    try:
        known = json.loads((root / INPUT).read_bytes())
    except (OSError, ValueError, RecursionError):
        known = {}
    known = known if isinstance(known, dict) else {}
    folder = root / str(known.get("testcase_prefix") or "test01")
    return Task(folder, str(known.get("username") or "student"), submitted_at=_moment(folder / WHEN))


def _moment(path: Path) -> datetime | None:
    """`2026-03-01 10:00:00-0500 America/New_York`, without the zone's name."""
    try:
        return datetime.strptime(" ".join(path.read_text(encoding="utf-8").split()[:2]), "%Y-%m-%d %H:%M:%S%z")
    except (OSError, ValueError):
        return None


def write(root: Path, state: State, kit: Kit) -> None:
    """Replace validation_results.json, and the page in the test case's folder, from where Submitty can publish it."""
    replace_file(root / RESULT, json.dumps(results(state, kit), allow_nan=False))
    replace_file(read(root).folder / showing.PAGE, showing.page(state, with_hidden=kit.hidden == "visible"))


def results(state: State, kit: Kit) -> dict[str, Any]:
    """The share of the points, from 0 to 1, and a message for each check that may be seen."""
    return {"status": "success", "data": {"score": state.share, "message": list(_messages(state, kit))}}


def _messages(state: State, kit: Kit) -> Iterator[dict[str, str]]:
    seen = kit.hidden == "visible"
    yield {"message": plain(state.heading(with_hidden=seen)), "status": "information"}
    for question, check in state.shown(with_hidden=seen):
        lines = f"{check.points:g}/{check.max_points:g} {named(question, check)}", said(check)
        yield {"message": "\n".join(filter(None, lines)), "status": _status(check)}


def _status(check: CheckResult) -> str:
    """Submitty's colour of a message."""
    if check.verdict is Verdict.PASSED:
        return "success" if check.points == check.max_points else "warning"
    return "information" if check.verdict.pending else "failure"


START = f"""\
#!/usr/bin/env python3
\"\"\"Submitty starts this where it validates; nothing is printed, because that would be taken for the result.\"\"\"

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

root = pathlib.Path(os.environ.get("AUTOGRADER_ROOT") or os.getcwd())
result, package = root / "validation_results.json", root / "torchgrader"
result.write_text(json.dumps({{"status": "fail", "message": "{starting.NOT_STARTED}"}}))
shutil.rmtree(package, ignore_errors=True)
safely = {{"filter": "data"}} if hasattr(tarfile, "data_filter") else {{}}  # the first versions of 3.11 have none
with tarfile.open(root / "torchgrader.tar") as tar:
    tar.extractall(root, **safely)
environment = os.environ | {starting.ENVIRONMENT} | {{"PYTHONPATH": str(package / "engine")}}
command = [os.environ.get("AUTOGRADER_PYTHON") or sys.executable, "-P", "-m", "grader.cli", "lms-run", "submitty"]
with open(root / "validation_logfile.txt", "ab") as log:
    command += ["--root", str(root), "--package", str(package)]
    subprocess.run(command, env=environment, stdout=log, stderr=log, check=False)
"""

LIMITS = {"RLIMIT_CPU": 600, "RLIMIT_FSIZE": 100_000_000, "RLIMIT_NPROC": 1000}  # the most, and enough
HANDED_IN_BYTES = 50_000_000  # for plots kept in a notebook; Submitty's own default is 100 KB


def scripts(kit: Kit) -> Mapping[str, str]:
    """config.json, and the validator that it names."""
    validation = {"method": "custom_validator", "command": "python3 run_torchgrader.py", "actual_file": "STDOUT.txt"}
    points = round(kit.points)
    case = {"title": "All questions", "command": "ls", "points": points, "resource_limits": LIMITS}
    config = {
        "autograding_method": "jailed_sandbox",
        "max_submission_size": HANDED_IN_BYTES,
        "autograding": {
            "submission_to_runner": ["**/*.py", "**/*.ipynb", "**/*.zip"],
            "work_to_public": [f"**/{showing.PAGE}"],
        },
        "grading_parameters": {"AUTO_POINTS": points},
        "testcases": [{**case, "validation": [validation]}],
    }
    return {
        "config/config.json": json.dumps(config, indent=2) + "\n",
        "config/custom_validation_code/run_torchgrader.py": START,
    }


ADVICE = "Give config/ as the gradeable's configuration; the grading machines need the packages of requirements.txt."
AUTOGRADER = Autograder(
    "submitty",
    "Submitty",
    600,
    read,
    write,
    scripts,
    ADVICE,
    folder="torchgrader",
    tar="config/custom_validation_code/torchgrader.tar",
)
