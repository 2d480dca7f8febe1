"""Several judges at one pool of training processes: a real pool, and the places that judges have at it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
import torch

from grader.data import DataSet
from grader.model import Verdict
from grader.trainer import CapturedNetwork, Job, Place, Trainer
from tests.test_trainer import ENDLESS, RECIPE, small, trained_here

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs fork")]

POOL = """
import socket, sys
from pathlib import Path
import torch
from grader import data
from grader.trainer.pool import Pool

torch.set_num_threads(1)
Pool(socket.socket(fileno=int(sys.argv[1])), data.load(Path(sys.argv[2])), 2).serve()
"""


class Running:
    """A pool in a process of its own, started again when it is not there."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self.process: subprocess.Popen[bytes] | None = None

    def connect(self) -> socket.socket:
        """A judge's end of a new connection."""
        if self.process is None or self.process.poll() is not None:
            self.close()
            self._control, theirs = socket.socketpair()
            command = [sys.executable, "-c", POOL, str(theirs.fileno()), str(self._data)]
            one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            with theirs:
                self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=os.environ | one)
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [b"judge"], [theirs.fileno()])
            except OSError:  # it is dying: it has closed its end before it can be waited for
                ours.close()
                self.process.wait()
                raise
        return ours

    def children(self) -> list[int]:
        """The training processes."""
        assert self.process is not None
        pid = self.process.pid
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def close(self) -> None:
        """End it, if it lives."""
        if self.process is not None:
            self._control.close()
            self.process.wait()


@pytest.fixture(scope="module")
def pool(drawn: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    path = tmp_path_factory.mktemp("data") / "data.safetensors"
    drawn.save(path)
    running = Running(path)
    yield running
    running.close()


Judge = Callable[[], Trainer]


@pytest.fixture
def judge(pool: Running, drawn: DataSet, tmp_path: Path) -> Iterator[Judge]:
    """`judge()` is the trainer of one more judge."""
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(Trainer(drawn, "cpu", 2, tmp_path, Place(pool.connect)))


@pytest.fixture(scope="module")
def network() -> CapturedNetwork:
    return small()


def test_what_the_pool_trains_is_what_is_trained_here(judge: Judge, drawn: DataSet, network: CapturedNetwork):
    told: list[tuple[int, int]] = []
    outcome = judge().submit(Job(network, RECIPE), lambda *progress: told.append(progress)).result()
    here = trained_here(network, drawn)
    assert (outcome.verdict, outcome.reason, outcome.cached) == (Verdict.PASSED, "", False)
    assert outcome.training is not None
    assert torch.equal(outcome.training.logits, here.logits)
    assert told == [(1, 2), (2, 2)]


def test_a_network_of_two_judges_is_trained_once(judge: Judge, pool: Running, network: CapturedNetwork):
    ada, bob = judge(), judge()
    begun, joined = Event(), Event()
    job = Job(network, replace(RECIPE, epochs=40), seed=1)
    first = ada.submit(job, lambda *_: begun.set())
    assert begun.wait(60)
    second = bob.submit(job, lambda *_: joined.set())
    assert joined.wait(60), "the second judge hears of the training that the first one began"
    one, other = first.result().training, second.result().training
    assert one is not None
    assert other is not None
    assert one.seconds == other.seconds
    assert one.curve == other.curve


def test_what_only_a_judge_that_left_waits_for_is_stopped(judge: Judge, pool: Running, network: CapturedNetwork):
    begun = Event()
    with judge() as left:
        running = left.submit(Job(network, ENDLESS), lambda *_: begun.set())
        assert begun.wait(60)
        handles = [os.pidfd_open(pid) for pid in pool.children()]
    assert (running.result().verdict, running.result().reason) == (Verdict.INTERNAL, "the trainer was closed")
    ended = [bool(select.select([handle], [], [], 0 if n else 10)[0]) for n, handle in enumerate(handles)]
    for handle in handles:
        os.close(handle)
    assert any(ended)


def test_a_training_past_its_time_is_stopped_and_the_next_one_is_not(judge: Judge, network: CapturedNetwork):
    ada = judge()
    endless = ada.submit(Job(network, ENDLESS, wall_seconds=0.5)).result()
    assert (endless.verdict, endless.reason) == (Verdict.TIMED_OUT, "the network was still training after 0.5 s")
    assert ada.submit(Job(network, RECIPE, seed=2)).result().verdict is Verdict.PASSED


@pytest.mark.parametrize("whom", ["a training process", "the pool"])
def test_a_kill_costs_the_network_nothing(judge: Judge, pool: Running, network: CapturedNetwork, whom: str):
    left = [signal.SIGKILL]

    def kill_once(*_: int) -> None:
        if left:
            assert pool.process is not None
            for pid in pool.children() if whom == "a training process" else [pool.process.pid]:
                os.kill(pid, left[0])
            left.clear()

    outcome = judge().submit(Job(network, RECIPE, seed=3), kill_once).result()
    assert (outcome.verdict, outcome.reason) == (Verdict.PASSED, "")
    assert left == []


def test_a_result_that_cannot_be_read_is_made_again(judge: Judge, tmp_path: Path, network: CapturedNetwork):
    ada, job = judge(), Job(network, RECIPE, seed=4)
    expected = ada.submit(job).result().training
    path = tmp_path / f"{ada.key(job)}.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    outcome = ada.submit(job).result()
    assert not outcome.cached
    assert expected is not None
    assert outcome.training is not None
    assert torch.equal(outcome.training.logits, expected.logits)
