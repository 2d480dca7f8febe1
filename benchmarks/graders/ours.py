"""torchgrader itself: `grader grade` over the class, walls up."""

from __future__ import annotations

import csv
from pathlib import Path

from benchmarks.graders import content, measured, plain
from benchmarks.graders.content import Scores, Sources

QUESTIONS = {
    "q1_conv2d": ("conv_stride", "conv_padding", "conv_dilation"),
    "q2_relu": ("relu",),
    "q3_maxpool": ("max_pool_square", "max_pool_rectangle"),
    "q4_avgpool": ("avg_pool_square", "avg_pool_rectangle"),
    "q5_linear": ("linear",),
}
HEAD = f'''{content.HELPERS}

class Calls:
    """A fixture's layers as plain functions."""

    def __init__(self, fixture):
        self.fixture = fixture

    def __getattr__(self, name):
        def call(x, weight=None, bias=None):
            weights = None if weight is None else {{"weight": weight, "bias": bias}}
            return self.fixture.run(name, x, weights=weights)

        return call

'''


class Torchgrader:
    """All fifteen as hidden checks, compared with the reference; level as the machine gives it."""

    name = "torchgrader"
    packages: tuple[str, ...] = ()

    def __init__(self, jobs: int = 1) -> None:
        self.jobs = jobs

    def prepare(self, folder: Path, python: Path) -> None:
        self.python = python
        toml = ['id = "layers"', 'title = "Layers"', ""]
        for question, names in QUESTIONS.items():
            checks = [c for c in content.CHECKS if any(c.startswith(f"test_{n}") for n in names)]
            toml += ["[[questions]]", f'id = "{question}"', f'title = "{question}"']
            toml += ["answers = [" + ", ".join(f'{{ name = "{n}" }}' for n in names) + "]", "[questions.checks]"]
            toml += [f'{c} = {{ points = 1, visibility = "hidden" }}' for c in checks]
            _write(folder / "reference" / f"{question}.py", _solution(names))
            _write(folder / "reference" / "checks" / f"test_{question}.py", HEAD + "\n".join(map(_check, checks)))
        _write(folder / "layers" / "assignment.toml", "\n".join(toml) + "\n")
        (folder / "layers" / "checks").mkdir(exist_ok=True)

    def grade(self, folder: Path, sources: Sources) -> tuple[measured.Cost, Scores]:
        plain.files(folder, sources)
        out = folder / "out"
        command: measured.Command = [
            self.python,
            "-m",
            "grader.cli",
            "grade",
            "class",
            "-a",
            "layers",
            "--reference",
            "reference",
        ]
        cost = measured.run([*command, "-o", out, "--jobs", str(self.jobs)], folder)
        with (out / "gradebook.csv").open(newline="", encoding="utf-8-sig") as file:
            rows = {row["student_id"]: row for row in csv.DictReader(file)}
        return cost, {student: round(float(rows[student]["points"])) for student in sources}


def _solution(names: tuple[str, ...]) -> str:
    return content.IMPORTS + "\n\n".join(content.SOLUTION[n] for n in names)


def _check(name: str) -> str:
    body = content.CHECKS[name]
    return (
        f'\ndef {name}(student, reference):\n    """{name}."""\n'
        f"    student, solution = Calls(student), Calls(reference)\n    {body}\n"
    )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
