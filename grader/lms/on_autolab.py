"""An autograder for Autolab: autograde-Makefile and autograde.tar; the result is the last line of what is printed.

Before Autolab reads that line it puts quotes around every run of letters and digits before a colon, wherever it stands.
So the line holds numbers under question ids and no text at all. Nothing is printed while student code runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from grader.lms import starting
from grader.lms.autograder import Autograder, Kit, Task, replace_file
from grader.lms.state import State, named, said
from grader.text import clip, plain

RESULT = "result.txt"
FEEDBACK_BYTES = 500_000  # Autolab drops all of it beyond 1,000 KiB
FEEDBACK_LINES = 9_000  # and beyond 10,000 lines


def read(root: Path) -> Task:
    """The file that was handed in, which may be a zip; the script has put it into a folder of its own."""
    folder = root / "handin"
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    only_zip = len(files) == 1 and files[0].suffix.lower() == ".zip"
    return Task(files[0] if only_zip else folder)


def write(root: Path, state: State, kit: Kit) -> None:
    """Replace the file that is printed at the end."""
    lines = "\n".join(_feedback(state, kit)).split("\n")
    text = clip("\n".join(lines[:FEEDBACK_LINES]), FEEDBACK_BYTES)
    replace_file(root / RESULT, f"{text}\n{score_line(state)}\n")


def score_line(state: State) -> str:
    """The last line: points by question id, which must be the names of the lab's problems."""
    return json.dumps({"scores": {q.id: round(q.points, 2) for q in state.card.questions}}, allow_nan=False)


def _feedback(state: State, kit: Kit) -> Iterator[str]:
    seen = kit.hidden == "visible"
    yield plain(state.heading(with_hidden=seen))
    for question, check in state.shown(with_hidden=seen):
        yield f"{check.verdict} {check.points:g}/{check.max_points:g} {named(question, check)}"
        yield from (f"    {line}" for line in said(check).splitlines())


MAKEFILE = """\
# Autolab runs `make` in the job's folder. Nothing may be printed after the last line of the script.
all:
\t@tar xf autograde.tar
\t@bash torchgrader/run_autograder
"""

RUN = f"""\
#!/usr/bin/env bash
# What was handed in goes into a folder of its own; then one command grades it, and one prints the result.
base="${{AUTOGRADER_ROOT:-$PWD}}"
python="${{AUTOGRADER_PYTHON:-python3}}"
cd "$base" || exit 0
mkdir handin
for file in *; do
  case "$file" in
    Makefile|autograde-Makefile|autograde.tar|torchgrader|handin) ;;
    *) mv -- "$file" handin/ ;;
  esac
done
printf '%s\\n' '{starting.NOT_STARTED}' '{{"scores": {{}}}}' > result.txt
{starting.exports("$base/torchgrader")}
"$python" -P -m grader.cli lms-run autolab --root "$base" --package "$base/torchgrader" > engine.log 2>&1
cat result.txt
"""


def scripts(kit: Kit) -> Mapping[str, str]:  # noqa: ARG001  # the shape of an autograder
    """The Makefile that Autolab wants beside the tar, and the script in the tar."""
    return {"autograde-Makefile": MAKEFILE, "torchgrader/run_autograder": RUN}


ADVICE = "Name the lab's problems after the questions' ids, and raise the autograder's time limit to that of --timeout."
AUTOGRADER = Autograder(
    "autolab", "Autolab", 300, read, write, scripts, ADVICE, folder="torchgrader", tar="autograde.tar"
)
