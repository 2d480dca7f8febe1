"""Workers of a real zygote behind the chosen walls: what ordinary code may, what is refused, how a worker ends."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from grader import sandbox
from grader.errors import SandboxUnavailable, WorkerLost
from grader.model import Verdict
from grader.processes.origin import Zygote
from grader.processes.process import Allowance, Unanswered, Worker
from grader.sandbox.blueprint import LEVELS, Blueprint, Wall, from_report, level_of
from tests.tiny import RIGHT, load_request, run_request

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the Linux walls")]

ALLOWANCE = Allowance(memory_bytes=2 << 30, output_bytes=1 << 12, cpu_seconds=60)


@pytest.fixture(scope="module")
def chosen() -> sandbox.Sandbox:
    return sandbox.choose()


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory, chosen: sandbox.Sandbox) -> Iterator[Zygote]:
    started = Zygote(tmp_path_factory.mktemp("workers"), sandbox=chosen)
    yield started
    started.close()


@pytest.fixture
def worker(zygote: Zygote) -> Iterator[Worker]:
    started = zygote.worker(ALLOWANCE)
    yield started
    if started.alive:
        started.end()


def answered(worker: Worker, source: str) -> list[float]:
    """What `double` of 1 and 2 is, told as a list: the number of acts that got through, say."""
    worker.ask(load_request(source), 20)
    reply = worker.ask(run_request(torch.tensor([1.0, 2.0])), 20)
    assert reply.kind == "output", reply.body
    return list(reply.tensors["output"].tolist())


def test_a_worker_reports_the_level_that_was_chosen(worker: Worker, chosen: sandbox.Sandbox) -> None:
    evidence = from_report(worker.ready.body["isolation"])
    assert {e.wall for e in evidence if e.applied} == chosen.blueprint.walls
    assert level_of(e.wall for e in evidence if e.verified) == chosen.isolation.level


REFUSED = """
import os, socket, subprocess
def attempt(act, *arguments):
    try: act(*arguments)
    except OSError: return 0
    return 1
def double(x):
    through = attempt(socket.socket) + attempt(os.fork) + attempt(subprocess.run, ["true"])
    through += attempt(os.memfd_create, "m") + attempt(os.listdir, {folder!r})
    through += attempt(open, {file!r}) + attempt(open, os.__file__, "a")
    return x * 0 + through + attempt(os.stat, {file!r})
"""


def test_student_code_gets_through_no_wall(worker: Worker, chosen: sandbox.Sandbox) -> None:
    source = REFUSED.format(folder=str(Path(__file__).parent), file=__file__)
    assert answered(worker, source) == [0, 0] if chosen.isolation.level == 4 else [1, 1]


ORDINARY = """
import torch, torch.utils.data, warnings, json, random, statistics, copy
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
@torch.enable_grad()
def double(x):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 10))
    optimizer = torch.optim.Adam(model.parameters())
    data = TensorDataset(torch.rand(8, 3, 8, 8), torch.randint(0, 10, (8,)))
    for images, labels in DataLoader(data, batch_size=4, shuffle=True):
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    torch.set_num_threads(2)
    torch.mm(torch.rand(600, 600), torch.rand(600, 600))
    torch.save(model.state_dict(), "model.pt")
    model.load_state_dict(torch.load("model.pt"))
    return x * 2
"""


def test_ordinary_training_works_inside(worker: Worker, chosen: sandbox.Sandbox) -> None:
    assert answered(worker, ORDINARY) == [2, 4]


def test_ordinary_training_works_where_nothing_can_be_written(tmp_path: Path, chosen: sandbox.Sandbox) -> None:
    isolation = chosen.isolation.model_copy(update={"level": 2})
    scratch = tmp_path / "workers"
    scratch.mkdir()
    lower = replace(chosen, isolation=isolation, blueprint=Blueprint(LEVELS[2]))
    with contextlib.closing(Zygote(scratch, sandbox=lower)) as zygote:
        worker = zygote.worker(ALLOWANCE)
        assert answered(worker, ORDINARY) == [2, 4]
        worker.end()
    assert list(scratch.iterdir()) == []


def test_two_students_cannot_leave_each_other_a_file(zygote: Zygote, chosen: sandbox.Sandbox) -> None:
    source = "import os\ndef double(x):\n    found = os.path.exists('/dev/shm/note') + os.path.exists('note')\n"
    source += "    for name in ('/dev/shm/note', 'note'):\n        open(name, 'w').close()\n    return x * 0 + found\n"
    if Wall.MOUNTS not in chosen.blueprint.walls:
        pytest.skip("without namespaces there is no folder to write to")
    for _ in range(2):
        worker = zygote.worker(ALLOWANCE)
        assert answered(worker, source) == [0, 0]
        worker.end()


def test_processor_time_is_told_from_memory(zygote: Zygote) -> None:
    worker = zygote.worker(replace(ALLOWANCE, cpu_seconds=1))
    worker.ask(load_request("def double(x):\n    while True: pass\n"), 20)
    with pytest.raises(Unanswered, match="more than 1 CPU seconds") as caught:
        worker.ask(run_request(torch.ones(1)), 20)
    assert caught.value.verdict is Verdict.TIMED_OUT


def test_an_abort_is_told_as_one(worker: Worker) -> None:
    """Process 1 of a namespace does not die of its own SIGABRT: what libc does then would look like another signal."""
    worker.ask(load_request("import os\ndef double(x):\n    os.abort()\n"), 20)
    with pytest.raises(Unanswered, match="SIGABRT"):
        worker.ask(run_request(torch.ones(1)), 20)


def test_a_time_out_kills_a_worker_that_ignores_signals(zygote: Zygote) -> None:
    worker = zygote.worker(ALLOWANCE)
    source = "import signal, threading, time\nfor s in (1, 2, 3, 15): signal.signal(s, signal.SIG_IGN)\n"
    source += "def double(x):\n    threading.Thread(target=lambda: time.sleep(600)).start()\n    while True: pass\n"
    worker.ask(load_request(source), 20)
    began = time.monotonic()
    with pytest.raises(Unanswered, match="No answer within 1 seconds"):
        worker.ask(run_request(torch.ones(1)), 1)
    assert time.monotonic() - began < 3
    assert workers_of(zygote) == []


def test_the_death_of_the_zygote_is_the_death_of_its_workers(tmp_path: Path, chosen: sandbox.Sandbox) -> None:
    zygote = Zygote(tmp_path, sandbox=chosen, networks=False)
    workers = [zygote.worker(ALLOWANCE) for _ in range(3)]
    handles = [os.pidfd_open(pid) for pid in workers_of(zygote)]
    assert len(handles) == len(workers)
    os.kill(zygote.pid, 9)
    assert {ended(handle) for handle in handles} == {True}
    for worker in workers:
        with pytest.raises(WorkerLost):
            worker.end()
    zygote.close()


def ended(handle: int) -> bool:
    """Whether a process is dead within ten seconds; closes the descriptor that names it."""
    ready, _, _ = select.select([handle], [], [], 10)
    os.close(handle)
    return bool(ready)


def workers_of(zygote: Zygote) -> list[int]:
    """The processes below the zygote; one that is process 1 in its own namespace is itself below one that waits."""
    below = children(zygote.pid)
    if (
        len(below) == 1
        and Path(f"/proc/{below[0]}/cmdline").read_bytes().count(b"grader.untrusted.zygote")
        and waits(zygote.pid)
    ):
        return children(below[0])
    return below


def waits(pid: int) -> bool:
    """Whether a process made a PID namespace for its child."""
    spaces = Path(f"/proc/{pid}/ns")
    return (spaces / "pid").readlink() != (spaces / "pid_for_children").readlink()


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_forty_workers_leave_no_descriptor_and_no_process(zygote: Zygote) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    zygote.worker(ALLOWANCE).end()
    gc.collect()  # what earlier tests left to the collector is no part of this
    before = open_files()
    for _ in range(40):
        worker = zygote.worker(ALLOWANCE)
        worker.ask(load_request(RIGHT), 20)
        worker.end()
        assert worker.output == ""
    assert (open_files(), workers_of(zygote)) == (before, [])


def test_ground_that_cannot_be_made_ends_with_a_sentence(
    tmp_path: Path, chosen: sandbox.Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    if Wall.MOUNTS not in chosen.blueprint.walls:
        pytest.skip("namespaces are not permitted here")
    monkeypatch.chdir(tmp_path)
    Path("workers").mkdir()
    with pytest.raises(SandboxUnavailable, match="could not be built: mount namespace: "):
        Zygote(Path("workers"), sandbox=chosen)  # a mount point is named from the root


def test_a_worker_below_the_promised_level_is_stopped(tmp_path: Path, chosen: sandbox.Sandbox) -> None:
    library = Path(os.__file__).parent  # where every worker must read
    zygote = Zygote(tmp_path, sandbox=chosen, secrets=(library,), networks=False)
    told = f"was to stand at isolation level {chosen.isolation.level} and stands at 1: it could list a secret folder"
    with pytest.raises(SandboxUnavailable, match=told):
        zygote.worker(ALLOWANCE)
    zygote.close()
