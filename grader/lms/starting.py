"""How the scripts in a package start the engine: one environment for all of them, whatever they are written in."""

from __future__ import annotations

import json
from collections.abc import Mapping

# One thread: platforms count threads as processes, and waiting threads would eat the half core that there is.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONNOUSERSITE": "1",
    "MALLOC_ARENA_MAX": "1",  # with this and the next, the judge gives memory back: 40 MB that a small container lacks
    "MALLOC_TRIM_THRESHOLD_": "131072",
}
NOT_STARTED = "The autograder did not start: tell the course staff."


def exports(package: str) -> str:
    """The line of bash that sets the environment; `package` is the folder that holds the engine."""
    return f'export PYTHONPATH="{package}/engine" {" ".join(f"{k}={v}" for k, v in ENVIRONMENT.items())}'


def ahead(root: str, package: str, python: str) -> str:
    """The script that trains the reference while the platform makes its image; it never fails. Folders as below."""
    return f"""\
#!/usr/bin/env bash
# Run once, by setup.sh: what is trained of the reference now is not trained in each grading. It may fail.
base="${{AUTOGRADER_ROOT:-{root}}}"
python="${{AUTOGRADER_PYTHON:-{python}}}"
{exports(f"$base/{package}")}
if ! "$python" -P -m grader.cli lms-train --package "$base/{package}"; then
  echo "Not all of the reference is trained: each grading does the rest, which takes it longer."
fi
exit 0
"""


def served(platform: str, title: str, root: str, package: str, python: str, first: Mapping[str, object]) -> str:
    """The script of a platform that has folders below `root` and reads results/results.json there.

    `first` is what it reads until there is more; `package` is the folder in `root` that the zip lies in.
    """
    return f"""\
#!/usr/bin/env bash
# {title} runs this for each submission. There are results from the first moment, whatever happens later.
base="${{AUTOGRADER_ROOT:-{root}}}"
python="${{AUTOGRADER_PYTHON:-{python}}}"
mkdir -p "$base/results"
printf '%s' '{json.dumps(first)}' > "$base/results/results.json"
{exports(f"$base/{package}")}
"$python" -P -m grader.cli lms-run {platform} --root "$base" --package "$base/{package}"
exit 0
"""
