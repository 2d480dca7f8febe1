"""A class that is graded while somebody kills its processes: who is killed, when, and what must be the same then."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.store import NAME

ROOT = Path(__file__).resolve().parent.parent
VARYING = ("seconds", "output")
TARGETS = ("coordinator", "bench", "judge", "zygote", "worker", "trainer", "training")
QUESTIONS = {"q1_double": ("double", "2 * x"), "q2_square": ("square", "x * x"), "q3_half": ("half", "x / 2")}
CHECK = '''
import torch


def test_small(student):
    """{name} is right on a small input."""
    assert torch.equal(student.run("{name}", SMALL), (lambda x: {right})(SMALL)), "{name} is wrong on 1, 2, 3."


SMALL = torch.tensor([1.0, 2.0, 3.0])
'''
HIDDEN = '''
import torch


def test_random(student, reference, seed):
    """{name} is right on numbers that were not shown."""
    x = torch.rand(3, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(student.run("{name}", x), reference.run("{name}", x)), "{name} is wrong."
'''
NETWORK = """

class Net(torch.nn.Sequential):
    def __init__(self):
        layers = torch.nn.Flatten(), torch.nn.Linear(3072, {width}), torch.nn.ReLU(), torch.nn.Linear({width}, 10)
        super().__init__(*layers)
"""
NETWORK_TOML = """
[[questions]]
id = "q4_net"
title = "q4_net"
answers = [{ name = "Net", kind = "model" }]
network = {}
checks = { test_learns = { points = 1 }, test_accuracy = { points = 2 } }
[recipes.q4_net]
cpu-full = { epochs = 4, batch_size = 50, learning_rate = 0.01, train_per_class = 50, test_per_class = 20 }
"""
NETWORK_CHECKS = '''
from grader.expectations import learns_one_batch, near_the_reference


def test_learns(one_batch):
    """Net learns one batch."""
    learns_one_batch(one_batch, "Net")


def test_accuracy(trained, award):
    """Net is as accurate as the reference."""
    near_the_reference(trained, "Net", award)
'''
WIDTHS = (16, 24, 32, 40, 48, 56, 64, 72)
KINDS = ("{right}", "{right} + 0", "x + 1", "x.nothing", "os._exit(3)", "torch.zeros(2)", "print('here') or {right}")


@dataclass(frozen=True)
class Course:
    """An assignment of three questions, its reference and a class, in a folder.

    With `networks` a fourth question is trained, which a third of the class has answered.
    """

    folder: Path
    students: int = 12
    networks: bool = False

    def write(self) -> Course:
        """The files; the class is the same for the same number of students."""
        questions = "".join(
            f'[[questions]]\nid = "{q}"\ntitle = "{q}"\nanswers = [{{ name = "{name}" }}]\n[questions.checks]\n'
            f'test_small = {{ points = 1 }}\ntest_random = {{ points = 2, visibility = "hidden" }}\n'
            for q, (name, _) in QUESTIONS.items()
        )
        limits = "[limits]\nwall_seconds = 60\nmemory_mib = 2048\noutput_kib = 4\n"
        files = {"assignment/assignment.toml": f'id = "three"\ntitle = "Three"\n{limits}{questions}'}
        for q, (name, right) in QUESTIONS.items():
            files[f"assignment/checks/test_{q}.py"] = CHECK.format(name=name, right=right)
            files[f"reference/checks/test_{q}.py"] = HIDDEN.format(name=name)
            files[f"reference/{q}.py"] = f"def {name}(x):\n    return {right}\n"
        if self.networks:
            files["assignment/assignment.toml"] += NETWORK_TOML
            files["assignment/checks/test_q4_net.py"] = NETWORK_CHECKS
            files["reference/q4_net.py"] = f"import torch\n{NETWORK.format(width=32)}"
        draw = random.Random(self.students)  # noqa: S311  # a seed is wanted
        for number in range(self.students):
            lines = [self._answer(draw, name, right) for name, right in QUESTIONS.values()]
            files[f"class/student{number:02}.py"] = "import os\nimport torch\n\nprint('read')\n" + "".join(lines)
            if self.networks and number % 3 == 0:
                files[f"class/student{number:02}.py"] += NETWORK.format(width=WIDTHS[number % len(WIDTHS)])
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return self

    def _answer(self, draw: random.Random, name: str, right: str) -> str:
        return f"\n\ndef {name}(x):\n    return {draw.choice(KINDS).format(right=right)}\n"

    def start(self, out: Path) -> subprocess.Popen[str]:
        """`grader grade --json-lines` into a folder."""
        where = ["-a", self.folder / "assignment", "--reference", self.folder / "reference", "-o", out]
        how = ["--device", "cpu", "--json-lines", "--trust-submissions"]
        return subprocess.Popen(
            [sys.executable, "-m", "grader.cli", "grade", self.folder / "class", *where, *how],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"TORCHGRADER_CACHE": str(self.folder / "caches" / out.name)},
        )

    def grade(self, out: Path) -> int:
        """Undisturbed; the exit code."""
        process = self.start(out)
        _, complaint = process.communicate()
        if process.returncode > 1:
            raise AssertionError(complaint)
        return process.returncode

    def grade_and_kill(self, out: Path, kills: Mapping[int, str]) -> list[str]:
        """Grade, and kill processes with SIGKILL, each after so many events; those that there were to kill."""
        process = self.start(out)
        assert process.stdout is not None  # opened with a pipe
        waiting, killed = dict(sorted(kills.items())), []
        for count, _ in enumerate(process.stdout):
            due = next((after for after in waiting if after <= count), None)
            if due is not None and process.poll() is None and kill(process.pid, waiting[due]):
                killed.append(waiting.pop(due))
        _, complaint = process.communicate()
        if process.returncode > 1:
            raise AssertionError(complaint)
        return killed


def kill(coordinator: int, target: str) -> bool:
    """SIGKILL to one of a grading's processes; False when there is none of that kind now."""
    pid = coordinator if target == "coordinator" else next(_found(coordinator, target), None)
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def processes(coordinator: int, target: str) -> list[int]:
    """All processes of a kind that a grading has now."""
    return list(_found(coordinator, target))


def ends(pid: int) -> bool:
    """Whether a process is dead within ten seconds."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    ready, _, _ = select.select([handle], [], [], 10)
    os.close(handle)
    return bool(ready)


def _found(coordinator: int, target: str) -> Iterator[int]:
    """The processes of a kind below the coordinator, by their command lines; a worker is a leaf below the zygote."""
    children = _children()
    below = list(_below(coordinator, children))
    zygotes = {p for p in below if b"grader.untrusted.zygote" in _command(p)}
    if target in ("judge", "trainer", "training"):
        yield from (p for p in below if _name(p) == target)
    elif target == "bench":
        yield from (p for p in below if b"bench.main(" in _command(p) and p in children[coordinator])
    elif target == "zygote":
        yield from (p for p in below if p in zygotes and not zygotes & set(_above(p, children)))
    else:
        yield from (p for p in below if p in zygotes and not children.get(p) and zygotes & set(_above(p, children)))


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            found.setdefault(parent, []).append(int(path.parent.name))
    return found


def _below(pid: int, children: dict[int, list[int]]) -> Iterator[int]:
    for child in sorted(children.get(pid, [])):
        yield child
        yield from _below(child, children)


def _above(pid: int, children: dict[int, list[int]]) -> Iterator[int]:
    parents = {child: parent for parent, all_ in children.items() for child in all_}
    while pid := parents.get(pid, 0):
        yield pid


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def results(out: Path) -> dict[str, Any]:
    """What must be the same however often it was interrupted: gradebook.csv, and each scorecard without its times."""
    cards = {p.name: lasting(json.loads(p.read_text())) for p in (out / "scorecards").glob("*.json")}
    return {"gradebook.csv": (out / "gradebook.csv").read_bytes(), **cards}


def lasting(value: Any) -> Any:
    """A scorecard without what a clock says, and without what a killed process had printed."""
    if isinstance(value, list):
        return [lasting(v) for v in value]
    if isinstance(value, dict):
        return {k: lasting(v) for k, v in value.items() if k not in VARYING}
    return value


def graded_twice(out: Path) -> list[tuple[str, str, int]]:
    """Questions and scorecards that were finished more than once, as the journal tells; [] when all is well."""
    with closing(sqlite3.connect(out / NAME)) as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        questions = "SELECT student, question, count(*) n FROM questions WHERE final GROUP BY 1, 2 HAVING n > 1"
        cards = "SELECT student, 'scorecard', count(*) n FROM scorecards WHERE final GROUP BY 1 HAVING n > 1"
        return [*store.execute(questions), *store.execute(cards)]
