"""A class of 200 on one trainer: it costs its 40 distinct networks, and a regrade nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from grader.data import DataSet
from grader.graph.capture import capture
from grader.recipe import Recipe
from grader.trainer import CapturedNetwork, Counts, Job, Outcome, Trainer, captured

pytestmark = pytest.mark.slow

STUDENTS, DISTINCT = 200, 40
RECIPE = Recipe(epochs=1, batch_size=50, learning_rate=0.03, train_per_class=10, test_per_class=10)
SLACK_MIB = 64


class Spelled(nn.Module):
    """The same network, written out."""

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.conv1, self.conv2 = layers[0], layers[3]
        self.fc1, self.fc2, self.fc3 = layers[7], layers[9], layers[11]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.max_pool2d(torch.relu(self.conv1(x)), 2, 2)
        x = nn.functional.max_pool2d(nn.functional.relu(self.conv2(x)), 2)
        x = x.view(x.size(0), -1)
        return self.fc3(self.fc2(self.fc1(x).relu()).relu())


def lenet(hidden: int, *, spelled: bool) -> CapturedNetwork:
    torch.manual_seed(0)
    pool = [nn.ReLU(), nn.MaxPool2d(2)]
    head = [nn.Linear(400, hidden), nn.ReLU(), nn.Linear(hidden, 84), nn.ReLU(), nn.Linear(84, 10)]
    layers = nn.Sequential(nn.Conv2d(3, 6, 5), *pool, nn.Conv2d(6, 16, 5), *pool, nn.Flatten(), *head)
    found = capture(Spelled(layers) if spelled else layers, (3, 32, 32))
    return captured(found.ir, found.tensors)


def jobs() -> list[Job]:
    """A job for each student, in no order; each network is handed in by several, ten of them in two spellings."""
    networks = [lenet(100 + i % DISTINCT, spelled=i >= DISTINCT) for i in range(DISTINCT + 10)]
    order = torch.randperm(STUDENTS, generator=torch.Generator().manual_seed(0)).tolist()
    return [Job(networks[i % len(networks)], RECIPE) for i in order]


def resident_mib(trainer: Trainer) -> int:
    """Memory of the training process."""
    (process,) = trainer._processes
    assert process._process is not None
    status = Path(f"/proc/{process._process.pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) >> 10


def results(outcomes: list[Outcome]) -> list[list[list[float]]]:
    return [o.training.logits.tolist() if o.training else [] for o in outcomes]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's memory in a file")
def test_a_class_costs_its_distinct_networks_and_a_regrade_nothing(drawn: DataSet, tmp_path: Path) -> None:
    work = jobs()
    with Trainer(drawn, cache=tmp_path) as first:
        graded = [first.submit(job).result() for job in work[:50]]
        after_a_quarter = resident_mib(first)
        graded += [f.result() for f in [first.submit(job) for job in work[50:]]]
        counts = first.counts
        assert counts.done == DISTINCT
        assert counts.done + counts.remembered + counts.joined == STUDENTS
        assert resident_mib(first) <= after_a_quarter + SLACK_MIB
        assert not first._running
    with Trainer(drawn, cache=tmp_path) as again:
        regraded = [again.submit(job).result() for job in work]
        assert again.counts == Counts(done=0, remembered=STUDENTS)
    assert results(graded) == results(regraded)
    assert len({o.key for o in graded}) == DISTINCT
