"""otter-grader and nbgrader: each submission is a notebook, run in a Jupyter kernel."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from benchmarks.graders import content, measured
from benchmarks.graders.content import Scores, Sources

SETUP = f"""import types
{content.HELPERS}

solution = types.SimpleNamespace()
exec({content.REFERENCE!r}, vars(solution))
"""


def notebook(cells: list[dict[str, Any]]) -> str:
    """A notebook of format 4.5."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


def code(source: str, cell_id: str, **metadata: Any) -> dict[str, Any]:
    """A code cell."""
    empty: dict[str, Any] = {"outputs": [], "execution_count": None}
    return {"cell_type": "code", "id": cell_id, "metadata": metadata, "source": source, **empty}


class Otter:
    """`otter run`, which is what its Gradescope image calls; `otter grade` demands Docker."""

    name = "otter run"
    packages: tuple[str, ...] = ("otter-grader", "ipykernel")

    def prepare(self, folder: Path, python: Path) -> None:
        self.otter = python.parent / "otter"
        (folder / "tests").mkdir(exist_ok=True)
        cases = [
            f"@test_case(points=1)\ndef {name}(env):\n    student = types.SimpleNamespace(**env)\n    {body}\n"
            for name, body in content.CHECKS.items()
        ]
        head = "OK_FORMAT = False\n\nfrom otter.test_files import test_case\n\n"
        head += f'name = "layers"\npoints = None\n\n{SETUP}\n'
        (folder / "tests" / "layers.py").write_text(head + "\n\n".join(cases))
        # Not measured: made once for a class.
        made = measured.run([self.otter, "generate", "--no-environment", "-o", "autograder.zip"], folder)
        if made.code:
            raise RuntimeError(made.output)

    def grade(self, folder: Path, sources: Sources) -> tuple[measured.Cost, Scores]:
        costs: list[measured.Cost] = []
        scores: Scores = {}
        for student, source in sources.items():
            place = folder / student
            place.mkdir(exist_ok=True)
            (place / "layers.ipynb").write_text(notebook([code(source, "answers")]))
            command: measured.Command = [
                self.otter,
                "run",
                "-a",
                folder / "autograder.zip",
                "-o",
                place,
                place / "layers.ipynb",
            ]
            costs.append(measured.run(command, folder))
            scores[student] = _otter_score(place / "results.json")
        return measured.total(costs), scores


def _otter_score(results: Path) -> int:
    tests = measured.read_json(results).get("tests", [])
    return round(sum(t.get("score") or 0 for t in tests))


class Nbgrader:
    """`nbgrader autograde` over the whole class; hidden tests in the cells, one point each."""

    name = "nbgrader autograde"
    packages: tuple[str, ...] = ("nbgrader", "ipykernel")

    def prepare(self, folder: Path, python: Path) -> None:
        self.nbgrader = python.parent / "nbgrader"
        (folder / "nbgrader_config.py").write_text(
            "c = get_config()\nc.CourseDirectory.course_id = 'layers'\n"
            "c.ExecutePreprocessor.timeout = 60\nc.ClearSolutions.code_stub = {'python': 'pass'}\n"
        )
        source = folder / "source" / "layers"
        source.mkdir(parents=True, exist_ok=True)
        (source / "layers.ipynb").write_text(notebook(_nbgrader_cells("### BEGIN SOLUTION\n### END SOLUTION")))
        made = measured.run([self.nbgrader, "generate_assignment", "layers", "--force"], folder)
        if made.code:
            raise RuntimeError(made.output)

    def grade(self, folder: Path, sources: Sources) -> tuple[measured.Cost, Scores]:
        release = json.loads((folder / "release" / "layers" / "layers.ipynb").read_text())
        for student, source in sources.items():
            place = folder / "submitted" / student / "layers"
            place.mkdir(parents=True, exist_ok=True)
            answers = next(c for c in release["cells"] if c["metadata"]["nbgrader"]["solution"])
            answers["source"] = source
            (place / "layers.ipynb").write_text(json.dumps(release))
        cost = measured.run([self.nbgrader, "autograde", "layers", "--force"], folder)
        measured.run([self.nbgrader, "export", "--to", "grades.csv"], folder)
        with (folder / "grades.csv").open(newline="") as file:
            rows = {row["student_id"]: float(row["raw_score"] or 0) for row in csv.DictReader(file)}
        return cost, {student: round(rows.get(student, 0)) for student in sources}


def _nbgrader_cells(answers: str) -> list[dict[str, Any]]:
    def marked(source: str, name: str, points: int | None) -> dict[str, Any]:
        about = {"grade_id": name, "schema_version": 3, "task": False, "locked": points is not None}
        about |= {"grade": points is not None, "solution": points is None}
        return code(source, name, nbgrader=about | ({} if points is None else {"points": points}))

    cells = [marked(answers, "answers", None)]
    for name, body in content.CHECKS.items():
        hidden = f"{SETUP if len(cells) == 1 else ''}student = types.SimpleNamespace(**globals())\n{body}"
        cells.append(marked(f"### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS", name, 1))
    return cells
