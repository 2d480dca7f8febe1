import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from safetensors.torch import load_file

from grader import assignment
from grader.errors import AssignmentError, UsageError
from grader.model import Visibility

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "assignments" / "cnn-cifar10"
REFERENCE = ROOT / "reference" / "cnn-cifar10"
CNN = assignment.load(FOLDER)
TINY = """
id = "tiny"
title = "Tiny"

[[questions]]
id = "q1"
title = "Q1"
answers = [{ name = "double" }]
checks = { test_double = { points = 2 } }
"""


def load(folder, text):
    (folder / "assignment.toml").write_text(text, encoding="utf-8")
    return assignment.load(folder)


# --- what is read from any assignment.toml ----------------------------------------------------------------------------


def test_questions_are_asked_by_the_beginning_of_their_names_in_the_assignments_order():
    assert [q.id for q in assignment.asked(CNN, ["Q7", "q1_conv2d", "q7"])] == ["q1_conv2d", "q7_efficientnet"]
    assert assignment.asked(CNN, []) == CNN.questions


def test_a_tiny_assignment_has_the_defaults(tmp_path):
    tiny = load(tmp_path, TINY)
    assert tiny.max_points == 2
    assert tiny.question("q1").checks["test_double"].visibility is Visibility.PUBLIC
    assert tiny.limits_of(tiny.question("q1")) == tiny.limits


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('title = "Tiny"', 'titel = "Tiny"', "unknown key titel"),
        ("points = 2", "points = 2, weight = 1", "unknown key questions.0.checks.test_double.weight"),
        ("points = 2", "points = -2", "questions.0.checks.test_double.points"),
        ('id = "tiny"', 'id = "Tiny Assignment"', "id: "),
        ('id = "q1"', 'id = "1"', "questions.0.id"),
        (
            '{ name = "double" }',
            '{ name = "double", aliases = ["twice("] }',
            "aliases.0: 'twice(' is no regular expression",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, old, new, words):
    with pytest.raises(AssignmentError, match=re.escape(words)):
        load(tmp_path, TINY.replace(old, new, 1))


def test_an_unknown_key_of_a_recipe_is_named(tmp_path):
    recipe = "[recipes.q1.cpu-full]\nepochs = 1\nbatch_size = 2\nlearning_rate = 0.1\nlr = 0.1\n"
    with pytest.raises(AssignmentError, match=r"unknown key recipes\.q1\.cpu-full\.lr"):
        load(tmp_path, TINY + recipe)


def test_a_recipe_that_cannot_train_is_refused(tmp_path):
    recipe = "[recipes.q1.cpu-full]\nepochs = 1\nbatch_size = 1\nlearning_rate = 0.1\n"
    with pytest.raises(AssignmentError, match="at least 2"):
        load(tmp_path, TINY + recipe)


def test_two_questions_with_one_id_are_refused(tmp_path):
    with pytest.raises(AssignmentError, match="question ids must differ: q1"):
        load(tmp_path, TINY + TINY[TINY.index("[[questions]]") :])


def test_a_baseline_that_is_not_there_is_named(tmp_path):
    text = TINY.replace("checks =", 'network = { baselines = ["week8"] }\nchecks =')
    with pytest.raises(AssignmentError, match="no baseline week8"):
        load(tmp_path, text)


def test_a_baseline_needs_one_source(tmp_path):
    with pytest.raises(AssignmentError, match="either `file` and `name`, or `question`"):
        load(tmp_path, TINY + '[[baselines]]\nid = "b"\ntitle = "B"\nfile = "b"\n')


def test_text_that_is_not_toml_is_an_assignment_error(tmp_path):
    with pytest.raises(AssignmentError, match="is not TOML"):
        load(tmp_path, "id = ")


def test_a_missing_file_is_an_assignment_error(tmp_path):
    with pytest.raises(AssignmentError, match="cannot be read"):
        assignment.load(tmp_path)


def test_an_assignment_is_found_by_name_by_path_and_when_it_is_the_only_one(tmp_path):
    load(tmp_path, TINY)
    assert assignment.find(str(tmp_path)) == tmp_path.resolve()
    assert assignment.find("cnn-cifar10").name == "cnn-cifar10"
    with pytest.raises(UsageError, match="no assignment 'none'"):
        assignment.find("none")


def test_a_missing_recipe_says_which_there_are_and_what_to_add(tmp_path):
    with pytest.raises(AssignmentError, match=r"it has: none. Add \[recipes.q1.cpu-full\]"):
        load(tmp_path, TINY).recipe("q1", "cpu", "full")


# --- cnn-cifar10 ------------------------------------------------------------------------------------------------------


def functions(path):
    """The test functions of a file with their docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {f.name: ast.get_docstring(f) for f in tree.body if isinstance(f, ast.FunctionDef) and f.name[:5] == "test_"}


def test_the_points_sum_to_100():
    assert CNN.max_points == 100
    assert [q.max_points for q in CNN.questions] == [18, 5, 14, 8, 5, 25, 25]


@pytest.mark.parametrize("question", CNN.questions, ids=lambda q: q.id)
def test_every_question_has_public_and_hidden_checks(question):
    assert {c.visibility for c in question.checks.values()} == set(Visibility)


@pytest.mark.parametrize("question", CNN.questions, ids=lambda q: q.id)
@pytest.mark.parametrize("visibility", list(Visibility))
def test_the_checks_listed_are_the_checks_written(question, visibility):
    folder = CNN.checks_folder if visibility is Visibility.PUBLIC else REFERENCE / "checks"
    listed = {name for name, check in question.checks.items() if check.visibility is visibility}
    assert set(functions(folder / f"test_{question.id}.py")) == listed


@pytest.mark.parametrize("path", [*CNN.checks_folder.glob("*.py"), *(REFERENCE / "checks").glob("*.py")], ids=str)
def test_every_check_has_a_sentence_as_its_title(path):
    assert path.stem.removeprefix("test_") in [q.id for q in CNN.questions]
    for name, docstring in functions(path).items():
        first = (docstring or "").split("\n")[0]
        assert first.endswith("."), name
        assert len(first) < 100, name


@pytest.mark.parametrize("question", CNN.questions, ids=lambda q: q.id)
def test_the_reference_binds_every_name(question):
    tree = ast.parse((REFERENCE / f"{question.id}.py").read_text(encoding="utf-8"))
    assigned = {t.id for s in tree.body if isinstance(s, ast.Assign) for t in s.targets if isinstance(t, ast.Name)}
    bound = assigned | {s.name for s in tree.body if isinstance(s, ast.ClassDef)}
    asked = {a.name for a in question.answers} | ({question.explanation.name} if question.explanation else set())
    assert asked <= bound


def test_baselines_are_in_the_reference_and_have_ten_printed_accuracies():
    for baseline in CNN.baselines:
        assert len(baseline.printed) == len(CNN.classes) == 10
        assert all(0 < p < 1 for p in baseline.printed)
        if baseline.file:
            assert f"class {baseline.name}(" in (REFERENCE / f"{baseline.file}.py").read_text(encoding="utf-8")


def test_the_printed_means_are_the_lectures():
    means = {b.id: round(100 * sum(b.printed) / 10, 1) for b in CNN.baselines}
    assert means == {"week8": 62.3, "lenet": 63.5}


def test_there_is_a_recipe_for_every_device_and_speed_and_only_gpus_grade_efficientnet():
    for question in ("q6_lenet", "q7_efficientnet"):
        for device in ("cpu", "cuda"):
            for speed in ("quick", "full"):
                assert CNN.recipe(question, device, speed)[0] == f"{device}-{speed}"
    assert not CNN.recipe("q7_efficientnet", "cpu", "full")[1].graded
    assert CNN.recipe("q7_efficientnet", "cuda", "full")[1].graded


ALIASES = [
    ("LeNet", ["LeNet5", "lenet", "LeNet_5", "Le_Net", "MyLeNet", "Net", "SimpleCNN", "simple_net"]),
    ("EfficientNet", ["EfficientNetB0", "efficient_net", "EffNet", "MyEfficientNet", "efficientnet_b0", "CifarEffNet"]),
    ("conv_stride", ["conv2d_stride", "ConvStride2", "stride_conv"]),
    ("conv_dilation", ["conv_dilated", "dilated_conv2d", "conv_padding_dilation"]),
    ("max_pool_rectangle", ["maxpool_rect", "MaxPool2d_2"]),
    ("avg_pool_square", ["average_pooling_square", "avgpool1"]),
    ("linear", ["fc", "fully_connected", "linear_layer"]),
]


def matches(answer, name):
    return any(re.fullmatch(alias, name, re.IGNORECASE) for alias in answer.aliases)


@pytest.mark.parametrize(("asked", "written"), ALIASES)
def test_an_alias_means_one_answer(asked, written):
    answers = [a for q in CNN.questions for a in q.answers]
    for name in written:
        assert [a.name for a in answers if matches(a, name)] == [asked], name


HEADINGS = [
    (
        "q1_conv2d",
        ["Q1", "## Q1 explanation", "Question 1: why?", "第一題 說明", "第 1 題", "Explanation of the convolutions"],
    ),
    ("q3_maxpool", ["Q3", "question 3", "第三題", "最大池化的說明", "Explanation: max pooling"]),
]


@pytest.mark.parametrize(("question", "written"), HEADINGS)
def test_a_heading_names_one_explanation(question, written):
    explained = [q for q in CNN.questions if q.explanation]
    for heading in [*written]:
        named = [q.id for q in explained if any(re.search(h, heading) for h in q.explanation.headings)]
        assert named == [question], heading


@pytest.mark.parametrize("heading", ["Q10", "Question 13", "Q2", "第十一題", "Introduction", "2021"])
def test_another_heading_names_no_explanation(heading):
    explained = [q.explanation for q in CNN.questions if q.explanation]
    assert not any(re.search(h, heading) for e in explained for h in e.headings)


def test_the_rubrics_share_out_the_explanations_points_in_both_languages():
    rubric = tomllib.loads((REFERENCE / "rubric.toml").read_text(encoding="utf-8"))
    explained = {q.id: q.explanation for q in CNN.questions if q.explanation}
    assert set(rubric) == set(explained)
    for question, table in rubric.items():
        assert table["explanation"] == explained[question].name
        assert sum(item["points"] for item in table["items"]) == explained[question].points
        assert all(item[key] for item in table["items"] for key in ("title", "title_zh", "good", "good_zh", "part_zh"))


@pytest.mark.slow
def test_the_expected_tensors_are_the_references_and_small(tmp_path):
    written, stored = tmp_path / "expected.safetensors", FOLDER / "expected.safetensors"
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, REFERENCE / "make_expected.py", written], check=True, env=environment)
    ours, theirs = load_file(written), load_file(stored)
    assert ours.keys() == theirs.keys()
    assert all(ours[k].allclose(theirs[k], rtol=1e-5, atol=1e-6) for k in ours)  # another processor rounds otherwise
    assert stored.stat().st_size < 1_500_000
