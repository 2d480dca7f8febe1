"""An autograder for Gradescope: results.json, submission_metadata.json, setup.sh and run_autograder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from grader.lms import grades, showing, starting
from grader.lms.autograder import Autograder, Kit, Task, replace_file
from grader.lms.state import State, named, said
from grader.model import QuestionResult, Verdict, Visibility


def read(root: Path) -> Task:
    """What Gradescope knows of the submission; any part of its file may be missing."""
    known = _metadata(root / "submission_metadata.json")
    users = [u for u in known.get("users") or [] if isinstance(u, dict)]
    first = users[0] if users else {}
    student_id = str(first.get("sid") or first.get("email") or first.get("id") or "student")
    moment, due = _moment(known.get("created_at")), _due(known, users)
    late = moment > due if moment and due else None
    remarks = list(_remarks(known))
    if moment and due and late:
        remarks.append(f"Handed in {_span(moment, due)} after the due date.")
    name = ", ".join(str(u.get("name", "")) for u in users)
    return Task(root / "submission", student_id, name, late, moment, due, tuple(remarks))


def _remarks(known: dict[str, Any]) -> Iterator[str]:
    """Which attempt it is; how many there may be, Gradescope decides."""
    before = known.get("previous_submissions")
    if isinstance(before, list) and before:
        yield f"Attempt {len(before) + 1}."


def _metadata(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):  # graded without: who it is, Gradescope knows
        return {}
    return known if isinstance(known, dict) else {}


def _due(known: dict[str, Any], users: list[dict[str, Any]]) -> datetime | None:
    """The latest due date of the group's members, who may have extensions; else the assignment's."""
    own = [_moment((u.get("assignment") or {}).get("due_date")) for u in users]
    dates = [d for d in own if d]
    return max(dates) if dates else _moment((known.get("assignment") or {}).get("due_date"))


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _span(late: datetime, due: datetime) -> str:
    """Hours, minutes and seconds, as Gradescope's own lateness."""
    seconds = int((late - due).total_seconds())
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def write(root: Path, state: State, kit: Kit) -> None:
    """Replace results.json."""
    text = json.dumps(results(state, kit), ensure_ascii=False, allow_nan=False, indent=1)
    replace_file(root / "results" / "results.json", text)


def results(state: State, kit: Kit) -> dict[str, Any]:
    """results.json: a line for each public check, and one for the hidden checks of each question."""
    return {
        "score": _number(state.card.grade),
        "execution_time": int(state.seconds),
        "output": showing.overview(state, with_hidden=kit.hidden == "visible"),
        "output_format": "html",
        "test_output_format": "text",
        "test_name_format": "text",
        "stdout_visibility": "hidden",
        "tests": [line for i, q in enumerate(state.card.questions, 1) for line in _lines(state, kit, q, i)],
        "extra_data": {"finished": state.finished, "isolation_level": state.card.isolation.level},
    }


def _lines(state: State, kit: Kit, question: QuestionResult, number: int) -> Iterator[dict[str, Any]]:
    if question.id in state.unfinished:
        yield {
            "number": str(number),
            "name": question.title,
            "score": 0,
            "max_score": _number(question.max_points),
            "status": "failed",
            "output": state.why,
            "visibility": "visible",
        }
        return
    for i, check in enumerate(question.checks, 1):
        hidden = check.visibility is Visibility.HIDDEN
        yield {
            "number": f"{number}.{i}",
            "name": named(question, check),
            "score": _number(check.points),
            "max_score": _number(check.max_points),
            "status": "passed" if check.verdict is Verdict.PASSED and check.points == check.max_points else "failed",
            "output": said(check),
            "visibility": kit.hidden if hidden else "visible",
        }


def _number(points: float) -> int | float:
    """Points without a needless decimal."""
    text = grades.number(points)
    return float(text) if "." in text else int(text)


SETUP = """\
#!/usr/bin/env bash
# Gradescope runs this once, when the autograder is built.
set -euo pipefail
cd /autograder/source
python=""
for version in 3.13 3.12 3.11; do
  if command -v "python$version" > /dev/null; then python="python$version"; break; fi
done
if [ -z "$python" ]; then
  apt-get update -q
  apt-get install -y -q python3.11 python3.11-venv
  python=python3.11
fi
"$python" -m venv /autograder/venv
/autograder/venv/bin/pip install --no-cache-dir --no-compile $(cat pip-options.txt) -r requirements.txt
PYTHONPATH=engine /autograder/venv/bin/python -m grader.cli doctor || true
"""

FIRST = {"score": 0, "output": starting.NOT_STARTED, "tests": []}
RUN = starting.served("gradescope", "Gradescope", "/autograder", "source", "$base/venv/bin/python", FIRST)


AHEAD = starting.ahead("/autograder", "source", "$base/venv/bin/python")


def scripts(kit: Kit) -> Mapping[str, str]:
    """The two files that Gradescope starts; both must lie at the root of the zip. With images, one that trains."""
    if not (kit.data and kit.reference):
        return {"setup.sh": SETUP, "run_autograder": RUN}
    return {"setup.sh": f"{SETUP}bash train_ahead\n", "train_ahead": AHEAD, "run_autograder": RUN}


ADVICE = (
    "Give it a container of 3 GB under Settings, or say --pip-options here for CPU builds of PyTorch, which run in the "
    "smallest. Building takes some ten minutes. Say --timeout here when you raise the limit there."
)
AUTOGRADER = Autograder("gradescope", "Gradescope", 600, read, write, scripts, ADVICE)
