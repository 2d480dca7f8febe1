"""A student checks own work: the command, in processes of its own."""

from __future__ import annotations

import itertools
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grader import assignment, batch
from grader.batch import Event
from grader.commands.checking import _follower, _mine
from grader.commands.shared import EXPLAINED, OK
from grader.commands.watching import stamp, watch
from grader.engines.local import LINUX, Local
from grader.errors import UsageError
from grader.model import Scorecard, Verdict
from grader.plan import Plan
from tests.hurried import ROOT, copied
from tests.tiny import RIGHT, WRONG, Tiny, submission

pytestmark = pytest.mark.slow

SECONDS = 250  # for what takes ten on a machine of its own
SOLUTIONS = ROOT / "reference" / "cnn-cifar10"


def grader(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grader.cli", *arguments]
    env = os.environ | {"COLUMNS": "200"} | environment
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=SECONDS, env=env)


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return Tiny(tmp_path / "tiny").write()


def written(folder: Path, source: str) -> Path:
    (folder / "submission.py").write_text(source, encoding="utf-8")
    return folder / "submission.py"


@pytest.mark.parametrize(("source", "code", "verdict", "passed"), [(RIGHT, 0, "PASSED", 1), (WRONG, 2, "FAILED", 0)])
def test_the_numbers_are_true_and_the_exit_code_says_the_same(
    tiny: Tiny, tmp_path: Path, source: str, code: int, verdict: str, passed: int
) -> None:
    result = grader("check", written(tmp_path, source), "-a", tiny.assignment, "--fresh")
    assert (result.returncode, result.stderr) == (code, "")
    assert verdict in result.stdout
    assert f"{passed} of 1 public checks pass; hidden checks are not part of this kit (there is 1)" in result.stdout


def test_the_kit_in_which_the_file_lies_is_the_assignment(tiny: Tiny, tmp_path: Path) -> None:
    file = written(tiny.assignment, RIGHT)
    result = grader("check", file)
    assert result.returncode == 0, result.stderr
    assert "Q1 Double" in result.stdout


def test_a_kit_speaks_the_language_that_it_was_made_for(tiny: Tiny, tmp_path: Path) -> None:
    toml = tiny.assignment / "assignment.toml"
    toml.write_text('language = "zh-TW"\n' + toml.read_text(encoding="utf-8"), encoding="utf-8")
    result = grader("check", written(tmp_path, "double = None\n"), "-a", tiny.assignment, PYTHONIOENCODING="utf-8")
    assert "double 仍然是 None" in result.stdout
    assert "請在那裡寫上你的答案" in result.stdout
    assert "找不到" in result.stdout
    assert "1 項公開檢查通過了 0 項" in result.stdout


def test_one_question_is_checked_alone(tmp_path: Path) -> None:
    result = grader("check", SOLUTIONS / "q2_relu.py", "--question", "q2")
    assert (result.returncode, result.stderr) == (0, "")
    assert "2 of 2 public checks pass; hidden checks are not part of this kit (there are 2)" in result.stdout
    assert "Q1" not in result.stdout


def test_an_unknown_question_is_refused_with_those_there_are(tiny: Tiny, tmp_path: Path) -> None:
    result = grader("check", written(tmp_path, RIGHT), "-a", tiny.assignment, "--question", "q9")
    assert (result.returncode, result.stdout) == (2, "")
    assert "no question 'q9': wanted one of q1_double" in result.stderr


@pytest.mark.parametrize(("language", "says"), [("en", "the limit is 2.0 MB: keep only the code"), ("zh-TW", "上限是")])
def test_what_is_too_large_is_refused_before_anything_is_started(
    tiny: Tiny, tmp_path: Path, language: str, says: str
) -> None:
    (tmp_path / "torch.py").write_text("raise SystemExit('PyTorch was started')\n", encoding="utf-8")
    file = written(tmp_path, "#" * 3_000_000)
    result = grader("check", file, "-a", tiny.assignment, "--lang", language, PYTHONPATH=str(tmp_path))
    assert (result.returncode, result.stdout.strip()) == (2, "")
    assert says in result.stderr


@pytest.mark.parametrize("sibling", ["net.py", "net/layers.py"])
def test_a_folder_whose_files_import_each_other_is_one_students(sibling: str, tmp_path: Path) -> None:
    (tmp_path / sibling).parent.mkdir(exist_ok=True)
    (tmp_path / sibling).write_text(RIGHT)
    (tmp_path / "main.py").write_text(f"from {sibling[:-3].replace('/', '.')} import double\n")
    assert {f.name for f in _mine(tmp_path).files} == {"main.py", sibling}


def test_a_terminal_that_lacks_a_character_does_not_stop_the_check(tiny: Tiny, tmp_path: Path) -> None:
    source = RIGHT.replace("return", 'raise ValueError("形狀不對")  #')
    result = grader("check", written(tmp_path, source), "-a", tiny.assignment, PYTHONIOENCODING="ascii")
    assert result.returncode == 2, result.stderr
    assert "RAISED" in result.stdout


def test_a_short_training_shows_each_class_and_how_it_learned(tmp_path: Path) -> None:
    result = grader("check", SOLUTIONS / "q6_lenet.py", "-a", copied(tmp_path / "kit"), "--question", "q6", "--train")
    assert (result.returncode, result.stderr) == (0, "")
    assert "A short training on drawn stand-in images, not CIFAR-10. It is no grade" in result.stdout
    assert "LeNet: 62,006 parameters, 1 epochs on 100 images" in result.stdout
    shown = result.stdout.partition("A short training")[2]
    assert all(name in shown for name in ("disc", "triangle", "columns", "all"))


def test_without_a_network_there_is_no_training_and_the_reason_is_said(tmp_path: Path) -> None:
    file = written(tmp_path, "LeNet = None\n")
    result = grader("check", file, "-a", copied(tmp_path / "kit"), "--question", "q6", "--train", "--html", tmp_path)
    assert result.returncode == 2
    assert "INTERNAL" not in result.stdout
    assert "not trained, because LeNet is still None" in " ".join(result.stdout.split())


# ------------------------------------------------------------------------------------------------------------ watching


@contextmanager
def watching(*arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], queue.Queue[str]]]:
    """A running command and the lines that it prints."""
    command = [sys.executable, "-u", "-m", "grader.cli", *arguments, "--watch"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines: queue.Queue[str] = queue.Queue()
    assert process.stdout is not None
    reader = threading.Thread(target=lambda: [lines.put(line) for line in process.stdout or ()])
    reader.start()
    try:
        yield process, lines
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()


def until(lines: queue.Queue[str], phrase: str) -> str:
    """What is printed up to a phrase."""
    seen = ""
    while phrase not in seen:
        seen += lines.get(timeout=SECONDS)
    return seen


def test_it_is_checked_again_after_a_save_and_ctrl_c_ends_it_with_the_last_exit_code(
    tiny: Tiny, tmp_path: Path
) -> None:
    file = written(tmp_path, WRONG)
    with watching("check", file, "-a", tiny.assignment, "--fresh") as (process, lines):
        assert "FAILED" in until(lines, "Ctrl-C ends")
        file.write_text(RIGHT, encoding="utf-8")
        again = until(lines, "Ctrl-C ends")
        assert "1 of 1 public checks pass" in again
        assert re.search(r"Since the last check:\n  FAILED -> PASSED  Q1 Double: ", again)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0


@pytest.mark.skipif(not LINUX, reason="elsewhere each check has a fresh interpreter")
def test_what_is_warm_stays_so_for_the_next_check(tiny: Tiny, tmp_path: Path) -> None:
    spec, benches, verdicts = tiny.load(), [], []
    plan = Plan(str(spec.folder), None, None, "cpu", "quick", 1, None, train=False, scratch=str(tmp_path))
    with Local(lasting=True) as kept:
        for source in (WRONG, RIGHT):
            found: list[Scorecard] = []
            batch.grade(plan, spec, [submission("a", source)], lambda _: None, found.append, engine=kept)
            benches.append(kept._warm)
            verdicts.append(found[0].checks[0].verdict)
    assert verdicts == ["FAILED", "PASSED"]
    assert benches[0] is benches[1]


def test_a_save_in_the_middle_of_a_check_is_checked_too(tmp_path: Path) -> None:
    file, seen = written(tmp_path, "1"), []

    def check() -> int:
        seen.append(file.read_text(encoding="utf-8"))
        if len(seen) == 2:
            raise KeyboardInterrupt
        file.write_text("22", encoding="utf-8")
        return EXPLAINED

    assert watch(file, check) == EXPLAINED
    assert seen == ["1", "22"]


def test_a_file_that_cannot_be_used_for_a_moment_does_not_end_the_watch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, seen = written(tmp_path, "1"), []

    def check() -> int:
        seen.append(file.read_text(encoding="utf-8"))
        if len(seen) == 3:
            raise KeyboardInterrupt
        file.write_text(seen[-1] * 2, encoding="utf-8")
        if len(seen) == 1:
            raise UsageError("half of a notebook")
        return OK

    assert watch(file, check) == OK
    assert seen == ["1", "11", "1111"]
    assert "grader: half of a notebook" in capsys.readouterr().err


def test_a_file_that_is_gone_is_waited_for_and_that_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, seen, waits = written(tmp_path, "1"), [], itertools.count()

    def check() -> int:
        seen.append(file.read_text(encoding="utf-8"))
        if len(seen) == 2:
            raise KeyboardInterrupt
        file.unlink()
        return OK

    monkeypatch.setattr(time, "sleep", lambda _: written(tmp_path, "22") if next(waits) == 2 else None)
    assert watch(file, check) == OK
    assert seen == ["1", "22"]
    assert capsys.readouterr().out.count("is not there any more; it is checked when it is back.") == 1


def test_what_comes_next_is_said_with_how_many_checks_passed() -> None:
    said: list[str] = []
    questions = assignment.load(ROOT / "assignments" / "cnn-cifar10").questions[:2]
    follow = _follower(questions, said.append)
    for number, check in enumerate(c for q in questions for c in q.public_checks):
        follow(Event("checked", "ada", check, Verdict.FAILED if number == 0 else Verdict.PASSED))
    assert said[4] == "Checking Q1 Convolution ... (4 of 5 checks passed so far)"
    assert said[5] == "Checking Q2 ReLU ... (5 of 6 checks passed so far)"
    assert said[-1] == "Finishing ... (7 of 8 checks passed so far)"


def test_another_content_of_the_same_size_has_another_stamp(tmp_path: Path) -> None:
    file = written(tmp_path, "a = 1\n")
    before = stamp(file)
    written(tmp_path, "a = 2\n")
    os.utime(file, ns=(0, before[0][1] + 1))
    assert stamp(file) != before
    assert stamp(tmp_path) == stamp(file)
    assert stamp(tmp_path / "nowhere.py") == ()
