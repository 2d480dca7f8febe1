from __future__ import annotations

import math
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from grader import scratch
from grader.data import DataSet
from grader.graph.capture import capture
from grader.graph.rebuild import rebuild
from grader.model import Verdict
from grader.recipe import Recipe
from grader.trainer import CapturedNetwork, Job, PythonNetwork, Trainer, captured
from grader.training import Training, overfit_batch, train

pytestmark = pytest.mark.slow  # each training process imports torch

RECIPE = Recipe(epochs=2, batch_size=64, learning_rate=0.03, train_per_class=50, test_per_class=20)
ENDLESS = replace(RECIPE, epochs=1_000_000)
NETWORKS = """
import os
import torch
from torch import nn

class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3072, 10)

    def forward(self, x):
        return self.linear(x.flatten(1))

class ByHand(Plain):
    def forward(self, x):
        return super().forward(x) if torch.equal(x, x) else x  # cannot be captured

class Greedy(Plain):
    def forward(self, x):
        return super().forward(x) + torch.zeros(1 << 40).sum()

class Leaving(Plain):
    def forward(self, x):
        os._exit(3)

class Broken(Plain):
    def forward(self, x):
        raise KeyError("no such layer")
"""


def small(seed: int = 0) -> CapturedNetwork:
    torch.manual_seed(seed)
    found = capture(
        nn.Sequential(nn.Conv2d(3, 4, 5, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(196, 10)), (3, 32, 32)
    )
    return captured(found.ir, found.tensors)


def trained_here(network: CapturedNetwork, drawn: DataSet) -> Training:
    """What a trainer's job of this network and RECIPE gives where there is no trainer."""
    data = drawn.subset(50, 20)
    torch.set_num_threads(1)
    model = rebuild(network.ir, network.tensors)
    return train(model, data.train_images, data.train_labels, data.test_images, RECIPE, 0)


@pytest.fixture(scope="module")
def network() -> CapturedNetwork:
    return small()


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], PythonNetwork]:
    path = tmp_path_factory.mktemp("baselines") / "networks.py"
    path.write_text(NETWORKS)
    return lambda name: PythonNetwork(path, name)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def trainer(drawn: DataSet, cache: Path) -> Iterator[Trainer]:
    with Trainer(drawn, jobs=1, cache=cache) as made:
        yield made


def test_a_network_is_trained_as_if_it_were_here(trainer: Trainer, drawn: DataSet, network: CapturedNetwork):
    told: list[tuple[int, int]] = []
    outcome = trainer.submit(Job(network, RECIPE), lambda *progress: told.append(progress)).result()
    here = trained_here(network, drawn)
    assert (outcome.verdict, outcome.reason, outcome.cached) == (Verdict.PASSED, "", False)
    assert outcome.training is not None
    assert torch.equal(outcome.training.logits, here.logits)
    assert torch.equal(outcome.training.initial_logits, here.initial_logits)
    assert outcome.training.curve == here.curve
    assert told == [(1, 2), (2, 2)]


def test_a_network_learns_one_batch_as_if_it_were_here(trainer: Trainer, drawn: DataSet, network: CapturedNetwork):
    outcome = trainer.submit(Job(network, RECIPE, what="overfit")).result()
    torch.set_num_threads(1)
    model = rebuild(network.ir, network.tensors)
    batch = drawn.train_images[:64], drawn.train_labels[:64]
    assert list(outcome.losses) == overfit_batch(model, *batch, 100, enough=math.log(10) / 2)


def test_a_job_in_work_is_not_begun_again_and_one_that_is_done_is_remembered(
    trainer: Trainer, drawn: DataSet, cache: Path
):
    job, twin = (Job(small(seed=5), RECIPE) for _ in range(2))
    first = trainer.submit(job)
    assert trainer.submit(twin) is first
    trained = first.result().training
    with Trainer(drawn, cache=cache) as other:
        remembered = other.submit(twin).result()
    assert remembered.cached
    assert trained is not None
    assert remembered.training is not None
    assert torch.equal(remembered.training.logits, trained.logits)
    assert remembered.training.curve == trained.curve


@pytest.mark.parametrize("harm", ["cut", "flip", "exchange"])
def test_a_damaged_file_in_the_cache_is_made_again(trainer: Trainer, cache: Path, network: CapturedNetwork, harm: str):
    job, other = Job(network, RECIPE, seed=7), Job(network, RECIPE, seed=8)
    expected = trainer.submit(job).result().training
    path = cache / f"{trainer.key(job)}.safetensors"
    content = bytearray(path.read_bytes())
    if harm == "exchange":
        trainer.submit(other).result()
        content = bytearray((cache / f"{trainer.key(other)}.safetensors").read_bytes())
    content[-1] ^= harm == "flip"
    path.write_bytes(content[: 1000 if harm == "cut" else None])
    outcome = trainer.submit(job).result()
    assert not outcome.cached
    assert expected is not None
    assert outcome.training is not None
    assert torch.equal(outcome.training.logits, expected.logits)


def test_the_key_covers_what_the_result_depends_on(trainer: Trainer, drawn: DataSet, network: CapturedNetwork):
    job = Job(network, RECIPE)
    with Trainer(drawn.subset(40, None)) as elsewhere:
        keys = [
            trainer.key(job),
            trainer.key(replace(job, seed=1)),
            trainer.key(replace(job, what="overfit")),
            trainer.key(replace(job, recipe=replace(RECIPE, momentum=0.8))),
            trainer.key(replace(job, network=small(seed=1))),
            elsewhere.key(job),
        ]
    assert len(set(keys)) == len(keys)
    assert trainer.key(Job(small(), RECIPE, wall_seconds=5)) == keys[0]


@pytest.mark.parametrize("name", ["Plain", "ByHand"])
def test_a_baseline_in_python_is_trained(trainer: Trainer, python: Callable[[str], PythonNetwork], name: str):
    outcome = trainer.submit(Job(python(name), RECIPE)).result()
    assert (outcome.verdict, outcome.reason) == (Verdict.PASSED, "")
    assert outcome.training is not None
    assert outcome.training.curve[1][0] < outcome.training.curve[0][0]


def test_a_loss_that_is_not_finite_is_failed(trainer: Trainer, network: CapturedNetwork):
    outcome = trainer.submit(Job(network, replace(RECIPE, learning_rate=1e30))).result()
    assert outcome.verdict is Verdict.FAILED
    assert "epoch 1 of 2" in outcome.reason


def test_a_network_that_is_no_network_is_raised(trainer: Trainer, network: CapturedNetwork):
    wrong = replace(network, ir={**network.ir, "version": 99}, fingerprint="wrong")
    outcome = trainer.submit(Job(wrong, RECIPE)).result()
    assert outcome.verdict is Verdict.RAISED
    assert "Refused" in outcome.reason


def test_a_broken_baseline_is_our_own_fault(trainer: Trainer, python: Callable[[str], PythonNetwork]):
    outcome = trainer.submit(Job(python("Broken"), RECIPE)).result()
    assert (outcome.verdict, outcome.reason) == (Verdict.INTERNAL, "KeyError: 'no such layer'")


def test_poisonous_jobs_end_and_those_beside_them_notice_nothing(
    drawn: DataSet, network: CapturedNetwork, python: Callable[[str], PythonNetwork]
):
    with Trainer(drawn, jobs=2) as two:
        leaving = two.submit(Job(python("Leaving"), RECIPE))
        good = [two.submit(Job(network, RECIPE, seed=seed)) for seed in range(3)]
        assert leaving.result().verdict is Verdict.CRASHED
        assert "exit code 3" in leaving.result().reason
        assert [g.result().verdict for g in good] == [Verdict.PASSED] * 3
        endless = two.submit(Job(network, ENDLESS, wall_seconds=0.5)).result()
        assert (endless.verdict, endless.reason) == (Verdict.TIMED_OUT, "the network was still training after 0.5 s")


def pids(trainer: Trainer) -> list[int]:
    return [p._process.pid for p in trainer._processes if p._process is not None and p._process.pid]


def test_a_killed_process_is_replaced(trainer: Trainer, network: CapturedNetwork):
    killed = trainer.submit(Job(network, ENDLESS), lambda *_: os.kill(pids(trainer)[0], signal.SIGKILL)).result()
    assert killed.verdict is Verdict.CRASHED
    assert "SIGKILL while it trained the network, most likely because memory ran out" in killed.reason
    assert trainer.submit(Job(network, RECIPE, seed=20)).result().verdict is Verdict.PASSED


def test_a_process_that_is_killed_once_costs_the_network_nothing(trainer: Trainer, network: CapturedNetwork):
    left = [signal.SIGKILL]

    def kill_once(*_: int) -> None:
        if left:
            os.kill(pids(trainer)[0], left.pop())

    assert trainer.submit(Job(network, RECIPE, seed=21), kill_once).result().verdict is Verdict.PASSED
    assert left == []


def test_leaving_stops_what_runs_and_cancels_what_waits(drawn: DataSet, network: CapturedNetwork):
    with Trainer(drawn) as left:
        running, waiting = left.submit(Job(network, ENDLESS)), left.submit(Job(network, ENDLESS, seed=1))
    assert (running.result().verdict, running.result().reason) == (Verdict.INTERNAL, "the trainer was closed")
    assert waiting.cancelled()
    assert left._folder.name.startswith(scratch.PREFIX), "where a process that is killed leaves it, it is found"
    assert not left._folder.exists()


ORPHAN = """
import os, sys
from dataclasses import replace
from grader import data
from grader.recipe import Recipe
from grader.trainer import Job, PythonNetwork, Trainer
from pathlib import Path

trainer = Trainer(data.stand_in(20, 5)).__enter__()

def leave(*_):
    print(trainer._processes[0]._process.pid, flush=True)
    sys.stdin.readline()
    os._exit(0)

trainer.submit(Job(PythonNetwork(Path(sys.argv[1]), "Plain"), Recipe(1_000_000, 64, 0.01)), leave).result()
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for a process of another parent")
def test_training_processes_end_with_their_parent(python: Callable[[str], PythonNetwork]):
    command = [sys.executable, "-c", ORPHAN, str(python("Plain").path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        process = os.pidfd_open(int(parent.stdout.readline()))
        parent.stdin.write("\n")
        parent.stdin.close()
        assert parent.wait(60) == 0
    ended, _, _ = select.select([process], [], [], 60)
    os.close(process)
    assert ended


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts a process's memory for us")
def test_a_network_that_takes_all_memory_is_refused_it(trainer: Trainer, python: Callable[[str], PythonNetwork]):
    outcome = trainer.submit(Job(python("Greedy"), RECIPE)).result()
    assert outcome.verdict is Verdict.OUT_OF_MEMORY
