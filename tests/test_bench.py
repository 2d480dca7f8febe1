"""Judges beside each other: who gets whom, what a death costs, what they share, and that all end together."""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import select
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from grader import batch, forked
from grader.batch import Event
from grader.engines.bench import Bench
from grader.engines.local import _Bench as Coordinators
from grader.errors import SandboxUnavailable
from grader.model import Scorecard, Submission, Verdict
from grader.plan import Plan
from tests import interrupted
from tests.tiny import HIDDEN, RIGHT, WRONG, Tiny, submission

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs fork")]

ENDLESS = "def double(x):\n    while True: pass\n"
SECRET = "TORCHGRADER_TEST_SECRET"  # noqa: S105  # the name of a variable
DEADLY = "import os\n\n\ndef met(student):\n    if student.submission.student_id == 'bob':\n        os._exit(9)\n"
MEETING = """
import os
import select


def met(student):
    mine = student.submission.student_id
    if mine == "eve":
        os._exit(9)
    ends = {{name: os.open(f"{folder}/{{name}}", os.O_RDWR) for name in ("ada", "bob")}}
    os.write(ends.pop(mine), b"here")
    poll = select.poll()
    poll.register(*ends.values(), select.POLLIN)
    assert poll.poll(60_000), "the other judge did not come"
"""


def test_a_judge_that_asks_while_the_pool_is_dying_gets_another(monkeypatch: pytest.MonkeyPatch):
    """A process's sockets close before it can be waited for: a judge hears of the end sooner than its mother."""
    bench = object.__new__(Bench)
    monkeypatch.setattr(forked, "_refuse_threads", lambda: None)  # the tests' own process has some
    monkeypatch.setattr(bench, "_train", lambda _: signal.pause(), raising=False)
    dying = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.1)"])
    gone, control = socket.socketpair()
    gone.close()
    bench._pool = (dying.pid, control)
    asks, given = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    asks.settimeout(10)
    with asks, given:
        bench._give(given, {"want": "pool"})
        _, (descriptor,), _, _ = socket.recv_fds(asks, 100, 1)
    os.close(descriptor)
    dying.returncode = 0  # the bench has waited for it
    pid, control = bench._pool
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    control.close()


def test_judges_that_end_in_another_order_than_they_are_missed_are_all_heard_of():
    coordinator = object.__new__(Coordinators)
    coordinator._ended = {}
    coordinator._said = io.BufferedReader(io.BytesIO(b'{"judge": 1, "code": 3}\n{"judge": 0, "code": -9}\n'))
    ends = [coordinator._end_of(judge) for judge in (0, 1)]
    assert [end.rsplit(" ", 1)[1] for end in ends] == ["-9", "3"]


@dataclass
class Log:
    """Who was begun, the scorecards, and the benches that there were."""

    begun: Counter[str] = field(default_factory=Counter)
    cards: dict[str, Scorecard] = field(default_factory=dict)
    benches: set[int] = field(default_factory=set)

    def watch(self, event: Event) -> None:
        if event.kind == "began":
            self.begun[event.student_id] += 1
            self.benches.update(interrupted.processes(os.getpid(), "bench"))

    def take(self, card: Scorecard) -> None:
        assert card.student_id not in self.cards
        self.cards[card.student_id] = card


def graded(tiny: Tiny, submissions: list[Submission]) -> Log:
    """By two judges."""
    log = Log()
    plan = Plan(str(tiny.assignment), str(tiny.reference), None, "cpu", "quick", 2, None, train=False)
    batch.grade(plan, tiny.write().load(), submissions, log.watch, log.take)
    return log


def test_a_cache_that_workers_could_read_is_no_place_for_the_solutions_networks(tmp_path: Path):
    tiny = Tiny(tmp_path)
    readable = str(Path(os.__file__).parent)
    plan = Plan(str(tiny.assignment), str(tiny.reference), None, "cpu", "quick", 1, readable, train=False)
    with pytest.raises(SandboxUnavailable, match="a worker could list a secret folder"):
        batch.grade(plan, tiny.write().load(), [submission("ada", RIGHT)], lambda _: None, lambda _: None)


def hidden(before: str) -> str:
    """The tiny assignment's hidden check, with a function that it calls first."""
    return before + HIDDEN.replace('numbers that were not shown."""', 'numbers."""\n    met(student)')


def test_two_judges_are_at_work_at_the_same_time_also_when_one_has_died(tmp_path: Path):
    for name in ("ada", "bob"):
        os.mkfifo(tmp_path / name)
    tiny = Tiny(tmp_path, hidden=hidden(MEETING.format(folder=tmp_path)))
    log = graded(tiny, [submission(i, RIGHT) for i in ("eve", "ada", "bob")])
    assert log.begun == {"eve": 2, "ada": 1, "bob": 1}
    assert [log.cards[i].summary for i in ("ada", "bob")] == ["4 of 4", "4 of 4"]


def test_a_judges_death_loses_only_what_it_had_begun(tmp_path: Path):
    sources = {"ada": RIGHT, "bob": RIGHT, "cy": WRONG, "dan": RIGHT, "eve": RIGHT}
    log = graded(Tiny(tmp_path, hidden=hidden(DEADLY)), [submission(i, source) for i, source in sources.items()])
    assert log.begun == {"ada": 1, "bob": 2, "cy": 1, "dan": 1, "eve": 1}
    assert {c.verdict for c in log.cards["bob"].checks} == {Verdict.INTERNAL}
    assert [log.cards[i].summary for i in ("ada", "cy", "dan", "eve")] == ["4 of 4", "0 of 4", "4 of 4", "4 of 4"]
    assert len(log.benches) == 1


# ----------------------------------------------------------------------------------- a grading that is looked into


@dataclass(frozen=True)
class Grading:
    """`grader grade` in the middle of two endless submissions, and its processes by kind; `canary` is in the check."""

    coordinator: subprocess.Popen[str]
    below: dict[str, list[int]]
    canary: str


@pytest.fixture(scope="module")
def grading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grading]:
    folder = tmp_path_factory.mktemp("grading")
    canary = secrets.token_hex(16)
    tiny = Tiny(folder, hidden=f"CANARY = {canary!r}\n{HIDDEN}", wall_seconds=600).write()
    (folder / "class").mkdir()
    for name in ("ada", "bob"):
        (folder / "class" / f"{name}.py").write_text(ENDLESS)
    where = ["-a", tiny.assignment, "--reference", tiny.reference, "-o", folder / "out", "--jobs", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "grader.cli", "grade", folder / "class", *where, "--json-lines", "--trust-submissions"],
        env=os.environ | {SECRET: canary[::-1], "TORCHGRADER_CACHE": str(folder / "cache")},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    began = 0
    while began < 2:
        began += json.loads(process.stdout.readline())["event"] == "began"
    below = {kind: interrupted.processes(process.pid, kind) for kind in ("bench", "judge", "zygote", "worker")}
    yield Grading(process, below, canary)
    process.kill()
    process.communicate()


def memory(pid: int) -> bytes:
    """All that a process can write to."""
    found = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as file:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            start, end, flags = re.match(r"(\w+)-(\w+) (....)", line).groups()  # type: ignore[union-attr]  # its form
            if flags.startswith("rw"):
                file.seek(int(start, 16))
                found.append(file.read(int(end, 16) - int(start, 16)))
    return b"".join(found)


def library(pid: int) -> str:
    """Where torch's largest library lies in the memory of a process."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return next(line.partition("-")[0] for line in lines if line.endswith("libtorch_cpu.so"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into another process")
def test_what_judges_know_is_not_in_the_memory_or_environment_of_workers(grading: Grading):
    secret = grading.canary.encode()
    assert all(secret in memory(judge) for judge in grading.below["judge"])
    assert not any(secret in memory(worker) for worker in grading.below["worker"])
    for kind, given in (("judge", True), ("worker", False)):
        environments = [Path(f"/proc/{pid}/environ").read_bytes() for pid in grading.below[kind]]
        assert [SECRET.encode() in environment for environment in environments] == [given, given]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into another process")
def test_addresses_in_a_worker_tell_nothing_of_the_judges(grading: Grading):
    found = {kind: {library(pid) for pid in grading.below[kind]} for kind in ("judge", "worker")}
    assert {kind: len(where) for kind, where in found.items()} == {"judge": 1, "worker": 1}
    assert found["judge"] != found["worker"]


def test_judges_share_one_zygote_and_hold_no_connection_of_each_other(grading: Grading):
    assert len(grading.below["judge"]) == 2
    assert len({Path(f"/proc/{pid}/cmdline").read_bytes() for pid in grading.below["zygote"]}) == 1
    ends = [{fd.readlink().name for fd in Path(f"/proc/{pid}/fd").iterdir()} for pid in grading.below["judge"]]
    sockets = [{name for name in there if name.startswith("socket:")} for there in ends]
    assert len(sockets[0] & sockets[1]) == 1  # what they ask the zygote for workers on


def test_the_worker_of_a_dead_judge_ends_and_no_other(grading: Grading):
    judge, other = (os.pidfd_open(pid) for pid in grading.below["judge"])
    workers = [os.pidfd_open(pid) for pid in grading.below["worker"]]
    signal.pidfd_send_signal(judge, signal.SIGKILL)
    ended, _, _ = select.select(workers, [], [], 10)
    still = select.select([other, *set(workers) - set(ended)], [], [], 0)
    for handle in (judge, other, *workers):
        os.close(handle)
    assert (len(workers), len(ended), still[0]) == (2, 1, [])


def test_all_die_with_the_coordinator(grading: Grading):
    """The last of this module: after it, nothing of the grading is left."""
    pids = {pid for kind in grading.below.values() for pid in kind if Path(f"/proc/{pid}").exists()}
    assert len(pids) >= 4
    handles = [os.pidfd_open(pid) for pid in pids]
    grading.coordinator.send_signal(signal.SIGKILL)
    ended = [bool(select.select([handle], [], [], 10)[0]) for handle in handles]
    for handle in handles:
        os.close(handle)
    assert all(ended)


PREPARED = """
import sys
import numpy as np
from grader import statistics
from grader.graph.capture import capture
from grader.judge import preparation
from torch import nn

preparation.prepare(networks=True, measures=True)
before = set(sys.modules)
model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 2))
capture(model, (3, 8, 8), 4)
images = np.arange(20)
statistics.compare(images % 2, images % 3 % 2, images % 2, ["a", "b"])
print(*set(sys.modules) - before)
"""


@pytest.mark.slow
def test_a_judge_that_measures_finds_loaded_what_that_takes() -> None:
    done = subprocess.run([sys.executable, "-c", PREPARED], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("\n", "")
