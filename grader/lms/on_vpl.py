"""An autograder for Moodle's Virtual Programming Lab: vpl_evaluate.sh, which makes vpl_execution, which prints.

Of all lines that begin with `Grade :=>>` VPL takes the last. So nothing is printed while student code runs, no line of
feedback begins with anything of a student's, and the grade is the last line of all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from grader.lms import grades, starting
from grader.lms.autograder import Autograder, Kit, Task, replace_file
from grader.lms.state import State, named, said
from grader.text import clip, plain

RESULT = "result.txt"
FEEDBACK_BYTES = 100_000  # it is shown in a narrow pane and kept in Moodle's database


def read(root: Path) -> Task:
    """The files that were handed in, which the script has copied; whose they are, VPL tells the script."""
    return Task(root / "handin", os.environ.get("MOODLE_USER_ID") or "student", os.environ.get("MOODLE_USER_NAME", ""))


def write(root: Path, state: State, kit: Kit) -> None:
    """Replace the file that is printed at the end."""
    replace_file(root / RESULT, output(state, kit))


def output(state: State, kit: Kit) -> str:
    """A block of feedback, and the grade as the last line."""
    feedback = clip("\n".join(_feedback(state, kit)), FEEDBACK_BYTES, gap=">[... {count} characters left out ...]")
    # Where the middle was left out, a line may begin in the midst of what a student wrote.
    safe = [line if line.startswith((">", "- ")) else f">{line}" for line in feedback.split("\n")]
    return "\n".join(["<|--", *safe, "--|>", f"Grade :=>> {_grade(state)}", ""])


def _feedback(state: State, kit: Kit) -> Iterator[str]:
    """A line that begins with `-` is a title there, one that begins with `>` is shown as it is."""
    seen = kit.hidden == "visible"
    yield from (f">{line}" for line in plain(state.heading(with_hidden=seen)).split("\n"))
    for question, check in state.shown(with_hidden=seen):
        yield f"- {check.verdict} {check.points:g}/{check.max_points:g} {named(question, check)}"
        yield from (f">{line}" for line in said(check).split("\n") if line)


def _grade(state: State) -> str:
    """The points on the activity's own scale, which VPL tells the script; without one, as they are."""
    low, high = _number("VPL_GRADEMIN", 0.0), _number("VPL_GRADEMAX", state.card.max_points)
    return grades.number(low + (high - low) * state.share)


def _number(name: str, otherwise: float) -> float:
    try:
        return float(os.environ[name])
    except (KeyError, ValueError):
        return otherwise


EVALUATE = """\
#!/usr/bin/env bash
# VPL runs this first and then vpl_execution, which it makes: what that prints is the result.
base="${AUTOGRADER_ROOT:-$PWD}"
cd "$base" || exit 0
rm -rf torchgrader vpl_work  # whatever of these names was handed in
tar xf torchgrader.tar
mkdir -p vpl_work/handin
for file in *; do
  case "$file" in
    vpl_*|common_script.sh|pre_vpl_run.sh|torchgrader|torchgrader.tar) ;;
    *) cp -R -- "$file" vpl_work/handin/ ;;
  esac
done
cp torchgrader/vpl_execution vpl_execution
chmod +x vpl_execution
"""

EXECUTION = f"""\
#!/usr/bin/env bash
# One command grades what was handed in, and one prints the result. A python of the student's own is not looked for.
base="${{AUTOGRADER_ROOT:-$PWD}}"
python="${{AUTOGRADER_PYTHON:-python3}}"
cd "$base" || exit 0
if [ -f vpl_environment.sh ]; then . ./vpl_environment.sh; fi
printf '%s\\n' 'Comment :=>> {starting.NOT_STARTED}' > vpl_work/result.txt
{starting.exports("$base/torchgrader")}
"$python" -P -m grader.cli lms-run vpl --root "$base/vpl_work" --package "$base/torchgrader" > vpl_work/engine.log 2>&1
cat vpl_work/result.txt
"""


def scripts(kit: Kit) -> Mapping[str, str]:  # noqa: ARG001  # the shape of an autograder
    """The script that VPL starts, and in the tar the one that it starts next."""
    return {"vpl_evaluate.sh": EVALUATE, "torchgrader/vpl_execution": EXECUTION}


ADVICE = (
    "Add both files as execution files of the activity, and raise its maximum execution time, memory, processes and "
    "file size; the execution server needs Python with the packages of requirements.txt in the tar."
)
AUTOGRADER = Autograder(
    "vpl", "Moodle VPL", 300, read, write, scripts, ADVICE, folder="torchgrader", tar="torchgrader.tar"
)
