import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from grader import assignment

ROOT = Path(__file__).resolve().parents[1]
HANDOUT = ROOT / "assignments" / "cnn-cifar10" / "handout"
CNN = assignment.load(HANDOUT.parent)
NAMES = [a.name for q in CNN.questions for a in q.answers] + [
    q.explanation.name for q in CNN.questions if q.explanation
]


def notebook():
    found = nbformat.read(HANDOUT / "submission.ipynb", as_version=4)
    nbformat.validate(found)
    return found


def code():
    return "\n".join(cell.source for cell in notebook().cells if cell.cell_type == "code")


def test_the_notebook_is_valid_and_has_no_output():
    assert notebook().nbformat_minor >= 5
    assert all(
        not cell.outputs and cell.execution_count is None for cell in notebook().cells if cell.cell_type == "code"
    )


def test_no_heading_of_the_starter_is_taken_for_an_explanation():
    text = "\n".join(cell.source for cell in notebook().cells if cell.cell_type == "markdown")
    headings = [line for line in text.splitlines() if line.startswith("#")]
    patterns = [h for q in CNN.questions if q.explanation for h in q.explanation.headings]
    assert headings
    assert not [h for h in headings if any(re.search(p, h) for p in patterns)]


@pytest.mark.parametrize("form", ["submission.py", "submission.ipynb"])
def test_the_unchanged_starter_runs_and_every_name_is_still_open(form):
    source = code() if form.endswith("ipynb") else (HANDOUT / form).read_text(encoding="utf-8")
    namespace = {"__name__": "submission"}
    exec(compile(source, form, "exec"), namespace)  # noqa: S102  # our own starter
    assert {name: namespace[name] for name in NAMES} == dict.fromkeys(NAMES)


def test_both_starters_ask_the_same():
    def asked(text):
        return re.findall(r"^\w+ = None.*$", text, re.MULTILINE)

    assert asked(code()) == asked((HANDOUT / "submission.py").read_text(encoding="utf-8"))
    assert len(asked(code())) == len(NAMES)


@pytest.mark.slow
def test_the_starter_runs_as_a_program():
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, HANDOUT / "submission.py"], capture_output=True, env=environment, check=True)
    assert done.stderr == b""


def halves():
    """The English and the Chinese part of the README."""
    english, chinese = (HANDOUT / "README.md").read_text(encoding="utf-8").split("\n---\n")
    return [english, chinese]


@pytest.mark.parametrize("language", [0, 1])
def test_the_readme_names_every_answer_with_the_points_of_its_question(language):
    rows = [line for line in halves()[language].splitlines() if line.startswith(("| Q", "| 第"))]
    assert len(rows) == len(CNN.questions)
    for row, question in zip(rows, CNN.questions, strict=True):
        assert f"| {question.max_points:g} |" in row
        assert all(f"`{answer.name}`" in row for answer in question.answers)


@pytest.mark.parametrize("language", [0, 1])
def test_the_readme_states_the_limits(language):
    times = [f"{CNN.limits.wall_seconds:g}"]
    times += [f"{CNN.limits_of(CNN.question(q)).wall_seconds:g}" for q in ("q6_lenet", "q7_efficientnet")]
    row = next(line for line in halves()[language].splitlines() if re.search(r"\| (time|每次)", line))
    assert re.findall(r"\d+", row) == times
    for package in CNN.allowed_packages:
        if package != "IPython":  # there because notebooks import it, not for students to choose
            assert {"sklearn": "scikit-learn", "PIL": "Pillow"}.get(package, package) in halves()[language]


# --- secrecy ----------------------------------------------------------------------------------------------------------


def lines_of(folder):
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".toml", ".md", ".ipynb"):
            for line in path.read_text(encoding="utf-8").splitlines():
                yield path, " ".join(line.split())


def trivial(line):
    """A line that tells nothing: short, an import, or common to any check that draws numbers."""
    return len(line) < 30 or line.startswith(("import ", "from ")) or "torch.Generator().manual_seed(seed)" in line


def test_no_line_of_the_reference_is_in_what_students_get():
    secret = {line for _, line in lines_of(ROOT / "reference") if not trivial(line)}
    assert len(secret) > 200
    assert [(str(path), line) for path, line in lines_of(ROOT / "assignments") if line in secret] == []
