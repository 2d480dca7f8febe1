"""An external grader for PrairieLearn: everything lies in the question's tests/, which is /grade/tests when it runs.

PrairieLearn puts the right answers of the question's variant into /grade/data/data.json. They are deleted before any
student code starts. It has no hidden results: the score is shown at once, and hidden checks are in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grader.lms import starting
from grader.lms.autograder import Autograder, Kit, Task, replace_file
from grader.lms.state import State, named, said
from grader.text import plain


def read(root: Path) -> Task:
    """The student's files; PrairieLearn does not say whose they are. The variant's answers are deleted."""
    (root / "data" / "data.json").unlink(missing_ok=True)
    return Task(root / "student")


def write(root: Path, state: State, kit: Kit) -> None:
    """Replace results.json. NaN would make all of it unreadable there, so it is refused here."""
    text = json.dumps(results(state, kit), allow_nan=False)
    replace_file(root / "results" / "results.json", text)


def results(state: State, kit: Kit) -> dict[str, Any]:
    """results.json: a score between 0 and 1, and the checks that may be seen."""
    seen = kit.hidden == "visible"
    return {
        "gradable": True,
        "score": state.share,
        "message": plain(state.heading(with_hidden=seen)),
        "tests": [
            {
                "name": named(question, check),
                "points": check.points,
                "max_points": check.max_points,
                "message": said(check),
            }
            for question, check in state.shown(with_hidden=seen)
        ],
    }


FIRST = {"gradable": True, "score": 0, "message": starting.NOT_STARTED}
RUN = starting.served("prairielearn", "PrairieLearn", "/grade", "tests", "python3", FIRST)

DOCKERFILE = """\
# The image that info.json names: build it beside tests/, and push it where PrairieLearn can pull it.
FROM python:3.12-slim
COPY tests/requirements.txt tests/pip-options.txt ./
RUN pip install --no-cache-dir $(cat pip-options.txt) -r requirements.txt
"""


def scripts(kit: Kit) -> Mapping[str, str]:
    """What PrairieLearn starts, the part of info.json that says so, and how to make the image."""
    options = {
        "enabled": True,
        "image": "NAME-OF-YOUR-IMAGE",
        "entrypoint": "/grade/tests/run.sh",
        "timeout": round(kit.limit),
        "enableNetworking": False,
    }
    part = {"gradingMethod": "External", "externalGradingOptions": options}
    return {"tests/run.sh": RUN, "info.part.json": json.dumps(part, indent=2) + "\n", "Dockerfile": DOCKERFILE}


ADVICE = "Put tests/ into the question's folder and info.part.json into its info.json; build the image of Dockerfile."
AUTOGRADER = Autograder("prairielearn", "PrairieLearn", 600, read, write, scripts, ADVICE, folder="tests")
