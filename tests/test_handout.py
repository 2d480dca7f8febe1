import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader import __version__, assignment, handout
from grader.errors import AssignmentError
from grader.intake import CAPS, MB
from tests.tiny import Tiny

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
    """All code cells but the last, which checks the others."""
    *cells, check = [cell.source for cell in notebook().cells if cell.cell_type == "code"]
    assert check.startswith("from grader import check")
    return "\n".join(cells)


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


def readme(language):
    return (HANDOUT / {"en": "README.md", "zh-TW": "README.zh-TW.md"}[language]).read_text(encoding="utf-8")


@pytest.mark.parametrize("language", ["en", "zh-TW"])
def test_the_readme_names_every_answer_with_the_points_of_its_question(language):
    rows = [line for line in readme(language).splitlines() if line.startswith(("| Q", "| 第"))]
    assert len(rows) == len(CNN.questions)
    for row, question in zip(rows, CNN.questions, strict=True):
        assert f"| {question.max_points:g} |" in row
        assert all(f"`{answer.name}`" in row for answer in question.answers)


@pytest.mark.parametrize("language", ["en", "zh-TW"])
def test_the_readme_states_the_limits(language):
    times = [f"{CNN.limits.wall_seconds:g}"]
    times += [f"{CNN.limits_of(CNN.question(q)).wall_seconds:g}" for q in ("q6_lenet", "q7_efficientnet")]
    row = next(line for line in readme(language).splitlines() if re.search(r"\| (time|每次)", line))
    assert re.findall(r"\d+", row) == times
    for package in CNN.allowed_packages:
        if package != "IPython":  # there because notebooks import it, not for students to choose
            assert {"sklearn": "scikit-learn", "PIL": "Pillow"}.get(package, package) in readme(language)


def test_the_students_guide_states_the_limits_that_hold():
    guide = (ROOT / "docs" / "student.md").read_text(encoding="utf-8")
    limits = [CNN.limits_of(CNN.question(q)) for q in ("q1_conv2d", "q6_lenet", "q7_efficientnet")]
    times = " | ".join(f"{x.wall_seconds:g} s" for x in limits)
    memory = " | ".join(f"{x.memory_mib >> 10} GiB" for x in limits)
    assert f"| time for one request | {times} |" in guide
    assert f"| memory | {memory} |" in guide
    assert f"{CAPS.student_bytes // MB} MB in {CAPS.student_files:,} files, of which {CAPS.source_files}" in guide
    assert f"a notebook up to {CAPS.notebook_bytes // MB} MB" in guide
    assert f"up to {CAPS.module_bytes // MB} MB. Data sets" in " ".join(guide.split())


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


# --- the kit ----------------------------------------------------------------------------------------------------------

HIDDEN = {i for q in CNN.questions for i in q.checks} - {i for q in CNN.questions for i in q.public_checks}


def unpacked(kit, folder):
    """The folder of the assignment in an unpacked kit."""
    zipfile.ZipFile(kit).extractall(folder)
    return next(folder.iterdir())


def test_the_kit_has_what_a_student_needs_and_nothing_else():
    names = {name.removeprefix("cnn-cifar10/") for name in handout.contents(CNN)}
    checks = {f"checks/{path.name}" for path in CNN.checks_folder.glob("*.py")}
    starters = {"submission.ipynb", "submission.py", "README.md", "README.zh-TW.md"}
    assert names == checks | starters | {"assignment.toml", "expected.safetensors", "requirements.txt", "zh-TW.toml"}


def test_the_kit_holds_no_hidden_checks_name():
    assert len(HIDDEN) > 20
    files = handout.contents(CNN)
    assert [(name, i) for name, data in files.items() for i in HIDDEN if i.encode() in data] == []


def test_the_kit_holds_no_file_and_no_telling_line_of_the_reference():
    files = handout.contents(CNN)
    secret = [p.read_bytes() for p in (ROOT / "reference").rglob("*") if p.is_file() and p.stat().st_size > 40]
    assert len(secret) > 10
    assert [name for name, data in files.items() if data in secret] == []
    lines = {line for _, line in lines_of(ROOT / "reference") if not trivial(line)}
    text = {n: d.decode() for n, d in files.items() if not n.endswith(".safetensors")}
    found = {n for n, t in text.items() for line in t.splitlines() if " ".join(line.split()) in lines}
    assert found == set()
    assert not any("week8_net" in t for t in text.values())


def test_the_kits_assignment_loads_and_counts_what_it_does_not_name(tmp_path):
    handout.write(CNN, tmp_path / "kit.zip")
    kit = assignment.load(unpacked(tmp_path / "kit.zip", tmp_path / "kit"))
    assert kit.max_points == CNN.max_points == 100
    assert [q.hidden_count for q in kit.questions] == [q.hidden_count for q in CNN.questions]
    assert [q.public_checks for q in kit.questions] == [q.public_checks for q in CNN.questions]
    assert [q.answers for q in kit.questions] == [q.answers for q in CNN.questions]
    assert [kit.limits_of(q) for q in kit.questions] == [CNN.limits_of(q) for q in CNN.questions]
    assert (kit.seeds, kit.recipes, kit.classes) == (CNN.seeds, CNN.recipes, CNN.classes)


def test_a_kit_of_the_kit_is_the_same_but_for_its_starter(tmp_path):
    handout.write(CNN, tmp_path / "kit.zip")
    kit = assignment.load(unpacked(tmp_path / "kit.zip", tmp_path / "kit"))
    assert handout.shown(kit) == handout.shown(CNN)
    with pytest.raises(AssignmentError, match="has no starter"):
        handout.contents(kit)


def test_equal_contents_give_an_equal_zip(tmp_path):
    for name in ("one.zip", "two.zip"):
        handout.write(CNN, tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.namelist() == sorted(archive.namelist())
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_kit_pins_the_version_that_made_it():
    assert handout.contents(CNN)["cnn-cifar10/requirements.txt"].decode() == f"torchgrader=={__version__}\n"


def with_starter(tiny, text="double = None\n"):
    (tiny.assignment / "handout").mkdir()
    (tiny.assignment / "handout" / "submission.py").write_text(text, encoding="utf-8")
    return tiny


def test_a_starter_that_names_a_hidden_check_is_not_handed_out(tmp_path):
    tiny = with_starter(Tiny(tmp_path).write(), "# see test_random\n")
    with pytest.raises(AssignmentError, match=r"submission.py names the hidden check test_random"):
        handout.contents(tiny.load())


def test_what_lies_in_the_assignments_folder_by_mistake_is_not_handed_out(tmp_path):
    tiny = with_starter(Tiny(tmp_path).write())
    for name in (
        "solution.py",
        "notes.md",
        "rubric.toml",
        "checks/notes.md",
        "handout/.DS_Store",
        "checks/__pycache__/x.py",
    ):
        (tiny.assignment / name).parent.mkdir(exist_ok=True)
        (tiny.assignment / name).write_text("secret", encoding="utf-8")
    names = list(handout.contents(tiny.load()))
    wanted = ["assignment.toml", "checks/test_q1_double.py", "requirements.txt", "submission.py"]
    assert names == [f"tiny/{name}" for name in wanted]


SCALARS = st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.floats(allow_nan=False, allow_infinity=False)
TABLES = st.recursive(
    st.dictionaries(st.text(), SCALARS | st.lists(SCALARS), max_size=3),
    lambda inner: st.dictionaries(st.text(), SCALARS | inner | st.lists(inner, max_size=2), max_size=3),
    max_leaves=8,
)


@pytest.mark.slow
@given(TABLES)
def test_toml_is_read_back_as_it_was(table):
    assert tomllib.loads(handout.toml(table)) == table
